import { ErrorNotice, Nothing } from '@aether/ui/Notice.tsx';
import { PageHead } from '@aether/ui/Shell.tsx';
import { showDone } from '@aether/ui/toasts.tsx';
import { Waiting } from '@aether/ui/Waiting.tsx';
import { Button } from '@mantine/core';
import { useQuery, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { StewardOnly } from '../merges/StewardOnly.tsx';
import { ReasonDialog } from '../parts/ReasonDialog.tsx';
import { useMe } from '../shell/person.ts';
import { When } from '../times/When.tsx';
import { PrivacyNavigation } from './PrivacyNavigation.tsx';
import classes from './privacy.module.css';
import { type Hold, holdsQuery, releaseHold } from './queries.ts';

/** Legal holds, in force or released. One is placed where the person was found. */
export function HoldsPage() {
  const { isSteward } = useMe();
  const { data, error, refetch } = useQuery({ ...holdsQuery, enabled: isSteward });
  const [released, setReleased] = useState<Hold>();
  const queries = useQueryClient();
  return (
    <StewardOnly does="see legal holds">
      <PageHead title="Privacy" detail="legal holds" />
      <div className={classes.page}>
        <PrivacyNavigation />
        {error && <ErrorNotice title="The holds could not be read" error={error} onRetry={refetch} />}
        {!data && !error && <Waiting />}
        {data?.holds.length === 0 && (
          <Nothing title="Nobody is held">
            A hold keeps a person from being erased, and from every rule of retention. Find the person to place one.
          </Nothing>
        )}
        {data && data.holds.length > 0 && (
          <ul className={classes.list} aria-label="Legal holds">
            {data.holds.map((hold) => (
              <li key={hold.id} className={classes.rule}>
                <div className={classes.what}>
                  <b>{hold.customer_name ?? hold.customer_id}</b>
                  <span className={classes.quiet}>{hold.reason}</span>
                </div>
                <div className={classes.kept}>
                  <span className={classes.quiet}>
                    {hold.held_by_name ?? hold.held_by} <When at={hold.held_at} />
                  </span>
                  {hold.released_at ? (
                    <span className={classes.quiet}>
                      released by {hold.released_by_name ?? hold.released_by} <When at={hold.released_at} />:{' '}
                      {hold.release_reason}
                    </span>
                  ) : (
                    <Button size="compact-sm" variant="default" onClick={() => setReleased(hold)}>
                      Release…
                    </Button>
                  )}
                </div>
              </li>
            ))}
          </ul>
        )}
        {released && (
          <ReasonDialog
            title="Release the hold"
            verb="Release"
            act={(reason) => releaseHold(released.id, reason)}
            onDone={() => {
              setReleased(undefined);
              void queries.invalidateQueries({ queryKey: ['privacy'] });
              showDone('The hold was released.');
            }}
            onClose={() => setReleased(undefined)}
          >
            It was placed for: {released.reason}
          </ReasonDialog>
        )}
      </div>
    </StewardOnly>
  );
}
