import type { App } from './environment.ts';
import type { Connection } from './log/connection.ts';
import type { InTransaction } from './log/transaction.ts';

/** A row of platform.tiers. Foundation's administrators edit them; both apps show them. */
export type Tier = {
  /** What customers refer to in `account_tier`; it never changes. */
  key: string;
  /** What people read. */
  label: string;
  colour: TierColour;
  /** It is offered no more; customers who have it keep it. */
  is_retired: boolean;
  version: number;
};

/** The soft colours of a tag; platform.tiers allows no other. */
export const tierColours = ['grey', 'blue', 'green', 'orange', 'red', 'gold'] as const;
export type TierColour = (typeof tierColours)[number];

export const tierColumns = 't.key, t.label, t.colour, t.is_retired, t.version';

export type TierCalls = ReturnType<typeof tierCalls>;

/** The calls of platformDb about tiers. */
export function tierCalls(connection: Connection<App>) {
  return {
    /** All tiers in their order, also those that are retired. */
    listTiers: ({ tx }: InTransaction = {}): Promise<Tier[]> =>
      (tx ?? connection).run<Tier>(
        { name: 'tiers-all', text: `select ${tierColumns} from platform.tiers t order by t.position, t.key` },
        [],
      ),
  };
}
