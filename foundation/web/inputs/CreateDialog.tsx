import { describeError, Refusal } from '@aether/ui/refusal.ts';
import { Alert, Button, Group, Modal, Stack } from '@mantine/core';
import { useMutation } from '@tanstack/react-query';
import type { FormEvent, ReactNode } from 'react';

type CreateDialogProps<Made> = {
  title: string;
  verb: string;
  save: () => Promise<Made>;
  onSaved: (made: Made) => void;
  onClose: () => void;
  /** The inputs, given what the server said about each field. */
  children: (errors: Record<string, string>) => ReactNode;
};

/** A form in a dialog: Enter saves; what the server refuses is said at the field, and below for those who hear the page. */
export function CreateDialog<Made>({ title, verb, save, onSaved, onClose, children }: CreateDialogProps<Made>) {
  const saving = useMutation({ mutationFn: save, onSuccess: onSaved });
  const errors = saving.error instanceof Refusal ? saving.error.fields : {};
  const submit = (event: FormEvent) => {
    event.preventDefault();
    saving.mutate();
  };
  return (
    <Modal opened onClose={onClose} title={title}>
      <form onSubmit={submit}>
        <Stack gap="sm">
          {children(errors)}
          {saving.error && (
            <Alert color="red" c="var(--bad)" role="alert">
              {describeError(saving.error)}
            </Alert>
          )}
          <Group justify="flex-end" mt="xs">
            <Button variant="default" onClick={onClose}>
              Cancel
            </Button>
            <Button type="submit" loading={saving.isPending}>
              {verb}
            </Button>
          </Group>
        </Stack>
      </form>
    </Modal>
  );
}
