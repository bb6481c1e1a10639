import { Tag } from '@aether/ui/Tag.tsx';
import { describeTier } from '@aether/ui/tiers.ts';
import { Select, type SelectProps } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { tiersQuery } from '../api/tiers.ts';

/** The choice of a customer's tier among those that administrators keep. A retired tier is offered only if it is the present one. */
export function TierInput(props: Omit<SelectProps, 'data'>) {
  const { data } = useQuery(tiersQuery);
  const offered = data?.tiers.filter(({ key, is_retired }) => !is_retired || key === props.value) ?? [];
  return (
    <Select
      size="xs"
      clearable
      placeholder="None"
      data={offered.map(({ key, label }) => ({ value: key, label }))}
      renderOption={({ option }) => {
        const { label, tone } = describeTier(option.value, offered);
        return <Tag tone={tone}>{label}</Tag>;
      }}
      {...props}
    />
  );
}
