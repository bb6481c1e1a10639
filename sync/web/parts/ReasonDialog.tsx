import { Dialog } from '@aether/ui/Dialog.tsx';
import { Text, TextInput } from '@mantine/core';
import { type ReactNode, useState } from 'react';

type ReasonDialogProps<Done> = {
  title: string;
  verb: string;
  color?: string;
  /** What the act does, in numbers if there are any. */
  children: ReactNode;
  /** The inputs of the act are right. */
  isReady?: boolean;
  isOptional?: boolean;
  act: (reason: string) => Promise<Done>;
  onDone: (done: Done) => void;
  onClose: () => void;
};

/** Asks why before an act; the reason is kept with the record of the act. */
export function ReasonDialog<Done>(props: ReasonDialogProps<Done>) {
  const { title, verb, color, children, isReady = true, isOptional = false, act, onDone, onClose } = props;
  const [reason, setReason] = useState('');
  const faults: Record<string, string> = {};
  if (!isOptional && reason.trim() === '') faults.reason = 'Say why: everybody sees it later.';
  return (
    <Dialog
      title={title}
      verb={verb}
      {...(color && { color })}
      isReady={isReady}
      faults={faults}
      save={() => act(reason.trim())}
      onSaved={onDone}
      onClose={onClose}
    >
      {(errors) => (
        <>
          <Text size="sm" component="div">
            {children}
          </Text>
          <TextInput
            name="reason"
            label="Reason"
            maxLength={500}
            data-autofocus
            value={reason}
            onChange={({ currentTarget }) => setReason(currentTarget.value)}
            error={errors.reason}
          />
        </>
      )}
    </Dialog>
  );
}
