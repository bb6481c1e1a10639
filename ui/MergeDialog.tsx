import { Text } from '@mantine/core';
import { type ReactNode, useState } from 'react';
import { Dialog } from './Dialog.tsx';

type MergeDialogProps = {
  customer: { id: string; name: string };
  consoleUrl: string;
  /** The picker of the app: it calls `onChange` with the id of the other customer. */
  picker: (picked: string | null, onChange: (id: string | null) => void, error: ReactNode) => ReactNode;
  onClose: () => void;
};

/** Asks who the same person is, and goes to the console, which compares the two and merges them. */
export function MergeDialog({ customer, consoleUrl, picker, onClose }: MergeDialogProps) {
  const [other, setOther] = useState<string | null>(null);
  const faults: Record<string, string> = {};
  if (other === null) faults.other = 'Choose the other customer.';
  else if (other === customer.id) faults.other = 'Choose another customer than this one.';
  return (
    <Dialog
      title={`Merge ${customer.name} with another customer`}
      verb="Compare"
      faults={faults}
      save={async () => {}}
      onSaved={() => window.location.assign(`${consoleUrl}/merges/new?survivor=${customer.id}&loser=${other}`)}
      onClose={onClose}
    >
      {(errors) => (
        <>
          <Text size="sm">
            Two records of one person become one. The console shows both side by side before anything is changed.
          </Text>
          {picker(other, setOther, errors.other)}
        </>
      )}
    </Dialog>
  );
}
