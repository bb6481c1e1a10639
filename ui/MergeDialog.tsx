import { Text } from '@mantine/core';
import { type ComponentType, useState } from 'react';
import { Dialog } from './Dialog.tsx';
import type { SearchedPickerProps } from './SearchedPicker.tsx';

type MergeDialogProps = {
  customer: { id: string; name: string };
  consoleUrl: string;
  CustomerPicker: ComponentType<SearchedPickerProps>;
  onClose: () => void;
};

/** Asks who the same person is, and goes to the console, which compares the two and merges them. */
export function MergeDialog({ customer, consoleUrl, CustomerPicker, onClose }: MergeDialogProps) {
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
          <CustomerPicker
            label="The other customer"
            name="other"
            withAsterisk
            data-autofocus
            value={other}
            error={errors.other}
            onChange={setOther}
          />
        </>
      )}
    </Dialog>
  );
}
