import { ErrorNotice } from '@aether/ui/Notice.tsx';
import { showRefusal } from '@aether/ui/toasts.tsx';
import { Button } from '@mantine/core';
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { endSilence, type Silence, silencesQuery } from '../api/alerts.ts';
import health from '../health/health.module.css';
import { sayActor } from '../parts/words.ts';
import { useMe } from '../shell/person.ts';
import { When } from '../times/When.tsx';
import classes from './alerts.module.css';

/** The silences in force, and those of the last thirty days. Nothing if there were none. */
export function SilenceList() {
  const { data, error, refetch } = useQuery(silencesQuery);
  if (error) return <ErrorNotice title="The silences could not be loaded" error={error} onRetry={refetch} />;
  if (!data || data.silences.length === 0) return null;
  return (
    <section aria-labelledby="silences">
      <h2 id="silences" className={classes.head}>
        Silences
      </h2>
      <ul className={health.checks}>
        {data.silences.map((silence) => (
          <Line key={silence.id} silence={silence} />
        ))}
      </ul>
    </section>
  );
}

function Line({ silence }: { silence: Silence }) {
  const { isAdmin } = useMe();
  const client = useQueryClient();
  const { id, slug, kind, reason, author, until, is_in_force: isInForce, ended_at: endedAt } = silence;
  const name = slug ?? `every ${kind}`;
  const ending = useMutation({
    mutationFn: () => endSilence(id),
    onSettled: () => client.invalidateQueries({ queryKey: ['silences'] }),
    onError: (error) => showRefusal('The silence goes on', error),
  });
  return (
    <li className={classes.alert}>
      <span className={health.mark}>{isInForce ? 'Silenced' : 'Ended'}</span>
      <div className={health.what}>
        <b>{name}</b>
        <span className={health.reason}>{reason}</span>
        <span className={classes.more}>
          by {sayActor({ actor: author })} · {isInForce ? 'until' : 'ended'} <When at={endedAt ?? until} as="moment" />
        </span>
      </div>
      {isInForce && isAdmin && (
        <Button
          variant="default"
          size="compact-sm"
          loading={ending.isPending}
          aria-label={`End the silence of ${name}`}
          onClick={() => ending.mutate()}
        >
          End it
        </Button>
      )}
    </li>
  );
}
