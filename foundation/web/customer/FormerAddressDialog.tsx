import { Button, Modal, Stack, Text } from '@mantine/core';

export type FormerAddress = 'keep' | 'free';
type FormerAddressDialogProps = {
  name: string;
  former: string;
  next: string;
  onChoose: (choice: FormerAddress) => void;
  onCancel: () => void;
};

/** Asks what happens to the replaced address: only a person knows whether it was a mistake. */
export function FormerAddressDialog({ name, former, next, onChoose, onCancel }: FormerAddressDialogProps) {
  return (
    <Modal opened onClose={onCancel} title={`What about ${former}?`}>
      <Stack gap="sm">
        <Text size="sm">
          {next} becomes the primary address of {name}.
        </Text>
        <Choice
          verb="It is a second address"
          isDefault
          detail={`${name} keeps it: whoever writes from it is still ${name}.`}
          onClick={() => onChoose('keep')}
        />
        <Choice
          verb="It was a mistake"
          detail={`It is freed: whoever it really belongs to is not taken for ${name}.`}
          onClick={() => onChoose('free')}
        />
        <Button variant="subtle" ml="auto" onClick={onCancel}>
          Cancel
        </Button>
      </Stack>
    </Modal>
  );
}

type ChoiceProps = { verb: string; detail: string; isDefault?: boolean; onClick: () => void };

function Choice({ verb, detail, isDefault, onClick }: ChoiceProps) {
  return (
    <Stack gap={4}>
      <Button variant="default" fullWidth data-autofocus={isDefault} onClick={onClick}>
        {verb}
      </Button>
      <Text size="xs" c="dimmed">
        {detail}
      </Text>
    </Stack>
  );
}
