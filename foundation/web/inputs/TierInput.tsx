import { Picker, type PickerProps } from '@aether/ui/Picker.tsx';
import { Tag } from '@aether/ui/Tag.tsx';
import { describeTier } from '@aether/ui/tiers.ts';
import { useQuery } from '@tanstack/react-query';
import { tiersQuery } from '../api/tiers.ts';

/** The choice of a customer's tier among those that administrators keep. A retired tier is offered only if it is the present one. */
export function TierInput(props: Omit<PickerProps, 'data'>) {
  const { data } = useQuery(tiersQuery);
  const offered = data?.tiers.filter(({ key, is_retired }) => !is_retired || key === props.value) ?? [];
  return (
    <Picker
      clearable
      placeholder="None"
      data={offered.map(({ key, label }) => ({ value: key, label }))}
      drawChoice={({ value }) => {
        const { label, tone } = describeTier(value, offered);
        return <Tag tone={tone}>{label}</Tag>;
      }}
      {...props}
    />
  );
}
