import { Dialog } from '@aether/ui/Dialog.tsx';
import { formatNumber } from '@aether/ui/formats.ts';
import { showDone } from '@aether/ui/toasts.tsx';
import { Text } from '@mantine/core';
import { useQuery, useQueryClient } from '@tanstack/react-query';
import type { CustomField } from '../api/records.ts';
import { countCustomValues, deleteCustomField } from '../api/settings.ts';

/** Asks before a field is removed with all its values, and says how many there are. */
export function RemoveField({ field, onClose }: { field: CustomField; onClose: () => void }) {
  const client = useQueryClient();
  const { data } = useQuery({
    queryKey: ['custom-field-values', field.id],
    queryFn: () => countCustomValues(field.id),
    gcTime: 0,
  });
  return (
    <Dialog
      title={`Remove ${field.label}?`}
      verb="Remove for good"
      save={() => deleteCustomField(field.id)}
      onSaved={() => {
        void client.invalidateQueries({ queryKey: ['custom-fields', field.record] });
        showDone(`${field.label} was removed.`);
        onClose();
      }}
      onClose={onClose}
    >
      {() => (
        <Text size="sm">
          {data ? `${formatNumber(data.values)} values` : 'All its values'} of this field are removed with it. This
          cannot be undone.
        </Text>
      )}
    </Dialog>
  );
}
