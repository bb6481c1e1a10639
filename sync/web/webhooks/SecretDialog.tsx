import { formatMoment } from '@aether/ui/formats.ts';
import { Alert, Button, Group, Modal, Stack } from '@mantine/core';
import { Command } from '../parts/Command.tsx';

type SecretDialogProps = { name: string; secret: string; formerEndsAt?: string | undefined; onClose: () => void };

/** Shows a secret, this once. */
export function SecretDialog({ name, secret, formerEndsAt, onClose }: SecretDialogProps) {
  return (
    <Modal opened onClose={onClose} title={`The secret of ${name}`} closeOnClickOutside={false}>
      <Stack gap="sm">
        <Alert color="yellow" c="var(--warn)">
          It is shown this once. Give it to the owner of the receiver on a way that nobody else reads.
          {formerEndsAt && ` Messages are signed with the former one, too, until ${formatMoment(formerEndsAt)}.`}
        </Alert>
        <Command text={secret} name="secret" />
        <Group justify="flex-end">
          <Button onClick={onClose}>I have it</Button>
        </Group>
      </Stack>
    </Modal>
  );
}
