import { Tag } from '@aether/ui/Tag.tsx';
import { IconCrown } from '@tabler/icons-react';

/** `premium` in gold, as in every app. */
export function TierTag({ tier }: { tier: string | null | undefined }) {
  if (!tier) return null;
  const isGold = tier === 'premium' || tier === 'enterprise';
  return (
    <Tag tone={isGold ? 'gold' : 'plain'}>
      {isGold && <IconCrown size={12} aria-hidden />}
      {tier}
    </Tag>
  );
}
