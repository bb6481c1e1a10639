import { Tag } from '@aether/ui/Tag.tsx';
import { describeTier } from '@aether/ui/tiers.ts';
import { useQuery } from '@tanstack/react-query';
import { tiersQuery } from '../api/tiers.ts';

/** A customer's tier with the name and colour that administrators gave it. */
export function TierTag({ tier }: { tier: string | null }) {
  const { data, isLoading } = useQuery(tiersQuery);
  if (!tier || isLoading) return null;
  const { label, tone } = describeTier(tier, data?.tiers);
  return <Tag tone={tone}>{label}</Tag>;
}
