import { Alert, Button, Group, Modal, type ModalProps, Stack } from '@mantine/core';
import { useMutation } from '@tanstack/react-query';
import type { FormEvent, ReactNode } from 'react';
import { describeError, Refusal } from './refusal.ts';

type DialogProps<Made> = {
  title: string;
  verb: string;
  color?: string;
  size?: ModalProps['size'];
  isReady?: boolean;
  save: () => Promise<Made>;
  onSaved: (made: Made) => void;
  onClose: () => void;
  /** The inputs; the argument is the server's refusal of each field. */
  children: (errors: Record<string, string>) => ReactNode;
};

/** A form in a dialog. Enter saves. A refusal is shown at its field, and below for screen readers. */
export function Dialog<Made>(props: DialogProps<Made>) {
  const { title, verb, color, size, isReady = true, save, onSaved, onClose, children } = props;
  const saving = useMutation({ mutationFn: save, onSuccess: onSaved });
  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (isReady) saving.mutate();
  };
  return (
    <Modal opened onClose={onClose} title={title} size={size}>
      <form onSubmit={submit}>
        <Stack gap="sm">
          {children(saving.error instanceof Refusal ? saving.error.fields : {})}
          {saving.error && (
            <Alert color="red" c="var(--bad)" role="alert">
              {describeError(saving.error)}
            </Alert>
          )}
          <Group justify="flex-end" mt="xs">
            <Button variant="default" onClick={onClose}>
              Cancel
            </Button>
            <Button type="submit" color={color} loading={saving.isPending} disabled={!isReady}>
              {verb}
            </Button>
          </Group>
        </Stack>
      </form>
    </Modal>
  );
}
