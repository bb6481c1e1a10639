import { Autocomplete, type AutocompleteProps } from '@mantine/core';

/** The tiers that come up by themselves; others may be typed. */
const commonTiers = ['free', 'basic', 'standard', 'premium', 'enterprise'];

/** A customer's tier: one of the common ones, or any other word. */
export function TierInput({ onChange, ...props }: AutocompleteProps) {
  const isWhole = commonTiers.includes(props.value ?? '');
  return (
    <Autocomplete
      size="xs"
      data={isWhole ? [] : commonTiers} // or the one choice left would lie over the buttons below
      placeholder="None"
      openOnFocus={false}
      onChange={(value) => onChange?.(value.toLowerCase())}
      {...props}
    />
  );
}
