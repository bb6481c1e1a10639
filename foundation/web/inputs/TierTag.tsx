import { Tag } from '@aether/ui/Tag.tsx';

/** `premium` in gold, as in every app. */
export function TierTag({ tier }: { tier: string | null }) {
  if (!tier) return null;
  return <Tag tone={tier === 'premium' || tier === 'enterprise' ? 'gold' : 'plain'}>{tier}</Tag>;
}
