import type { Tone } from './Tag.tsx';

export type ShownTier = { key: string; label: string; colour: keyof typeof tones };

const tones = {
  grey: 'plain',
  blue: 'accent',
  green: 'good',
  orange: 'warn',
  red: 'bad',
  gold: 'gold',
} as const satisfies Record<string, Tone>;

/** How a tier is shown: its label and colour; until the tiers are loaded, its key without a colour. */
export function describeTier(key: string, tiers: readonly ShownTier[] | undefined): { label: string; tone: Tone } {
  const tier = tiers?.find((each) => each.key === key);
  return { label: tier?.label ?? key, tone: tier ? tones[tier.colour] : 'plain' };
}

/** The tone of one of the colours that administrators choose from. */
export const toneOf = (colour: ShownTier['colour'] | undefined): Tone => (colour ? tones[colour] : 'plain');

/** The colours of tiers and tags, to choose from. */
export const colours: { value: ShownTier['colour']; label: string }[] = [
  { value: 'grey', label: 'Grey' },
  { value: 'blue', label: 'Blue' },
  { value: 'green', label: 'Green' },
  { value: 'orange', label: 'Orange' },
  { value: 'red', label: 'Red' },
  { value: 'gold', label: 'Gold' },
];
