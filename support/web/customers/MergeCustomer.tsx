import { MergeDialog } from '@aether/ui/MergeDialog.tsx';
import { CustomerPicker } from './CustomerPicker.tsx';

type MergeCustomerProps = { customer: { id: string; name: string }; consoleUrl: string; onClose: () => void };

/** Finds the other record of the same person, and opens both in the console. */
export function MergeCustomer(props: MergeCustomerProps) {
  return (
    <MergeDialog
      {...props}
      picker={(picked, onChange, error) => (
        <CustomerPicker label="The other customer" name="other" value={picked} error={error} onChange={onChange} />
      )}
    />
  );
}
