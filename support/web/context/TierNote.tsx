import { formatWhen } from '@aether/ui/formats.ts';
import { describeTier } from '@aether/ui/tiers.ts';
import { Popover, UnstyledButton } from '@mantine/core';
import { IconRoute } from '@tabler/icons-react';
import { useQuery } from '@tanstack/react-query';
import type { TierChange } from '../api/records.ts';
import { tiersQuery } from '../api/tiers.ts';
import { findArrival } from './arrivals.ts';
import classes from './context.module.css';
import { listSteps } from './trace.ts';

type TierNoteProps = { tier: TierChange | null; customerId: string; value: string | null };

/** `Premium since 14:02, deal Acme renewal`, and how the change reached this page. */
export function TierNote({ tier, customerId, value }: TierNoteProps) {
  const { data } = useQuery(tiersQuery);
  if (!tier || tier.value !== value) return null;
  const { since, deal, by } = tier;
  const shown = value ? describeTier(value, data?.tiers) : undefined;
  const name = shown?.label ?? 'No tier';
  const arrived = findArrival(customerId, tier.event.position);
  return (
    <div className={classes.tier} role="status" data-gold={shown?.tone === 'gold'}>
      <span>
        {name} since {formatWhen(since)}
        {deal ? `, deal ${deal.name}` : by.name ? `, by ${by.name}` : ''}
      </span>
      <Popover width={320} position="bottom-end">
        <Popover.Target>
          <UnstyledButton className={classes.how}>
            <IconRoute size={14} aria-hidden /> How this got here
          </UnstyledButton>
        </Popover.Target>
        <Popover.Dropdown>
          <ol className={classes.trace}>
            {listSteps(tier, arrived).map(({ what, when, detail }) => (
              <li key={what}>
                <div>{what}</div>
                <div className={classes.quiet}>
                  {when}
                  {detail && ` · ${detail}`}
                </div>
              </li>
            ))}
          </ol>
          {tier.event.trace && (
            <div className={classes.traceId}>
              Trace <code>{tier.event.trace}</code>
            </div>
          )}
        </Popover.Dropdown>
      </Popover>
    </div>
  );
}
