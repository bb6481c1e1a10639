import { Tag } from '@aether/ui/Tag.tsx';
import { describeTier } from '@aether/ui/tiers.ts';
import { IconCrown } from '@tabler/icons-react';
import { useQuery } from '@tanstack/react-query';
import { tiersQuery } from '../api/tiers.ts';

/** A customer's tier, as Foundation's administrators called and coloured it; gold has a crown. */
export function TierTag({ tier }: { tier: string | null | undefined }) {
  const { data, isLoading } = useQuery(tiersQuery);
  if (!tier || isLoading) return null;
  const { label, tone } = describeTier(tier, data?.tiers);
  return (
    <Tag tone={tone}>
      {tone === 'gold' && <IconCrown size={12} aria-hidden />}
      {label}
    </Tag>
  );
}
