import { formatNumber } from '@aether/ui/formats.ts';
import { read } from '@aether/ui/request.ts';
import { showDone } from '@aether/ui/toasts.tsx';
import { Button, Group, Progress } from '@mantine/core';
import { useQuery, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { runs } from '../api/clients.ts';
import { type Run, runsQuery } from '../api/operations.ts';
import classes from '../parts/parts.module.css';
import { ReasonDialog } from '../parts/ReasonDialog.tsx';
import { sayActor } from '../parts/words.ts';
import { useMe } from '../shell/person.ts';
import { When } from '../times/When.tsx';
import { sayRun } from './words.ts';

const shownEnded = 3;

/** The bulk work of every operator that is under way, and what came of the last: on failures, or the repairs of one finding. */
export function Runs({ finding }: { finding?: string }) {
  const { data } = useQuery(runsQuery);
  const runs = data?.runs.filter((run) => (finding ? run.filter.finding === finding : run.kind !== 'repair')) ?? [];
  const open = runs.filter(({ ended_at }) => !ended_at);
  const ended = runs.filter(({ ended_at }) => ended_at).slice(0, shownEnded);
  if (open.length + ended.length === 0) return null;
  return (
    <section aria-label="Bulk work">
      <h2 className={classes.title}>Bulk work</h2>
      <ul className={classes.list}>
        {[...open, ...ended].map((run) => (
          <RunItem key={run.id} run={run} />
        ))}
      </ul>
    </section>
  );
}

function titleOf({ kind, total, subscription }: Run): string {
  if (kind === 'repair') return `Repair of ${formatNumber(total)} rows`;
  return `${kind === 'redrive' ? 'Redrive' : 'Skip'} of ${formatNumber(total)} events of ${subscription}`;
}

type Steering = { to: 'paused' | 'running' | 'cancelled'; title: string; verb: string };

function RunItem({ run }: { run: Run }) {
  const me = useMe();
  const client = useQueryClient();
  const [steering, setSteering] = useState<Steering>();
  const done = run.total - run.untouched - run.tried;
  const isOpen = run.ended_at === null;
  return (
    <li className={classes.item} data-run={run.id}>
      <div className={classes.what}>
        <b>{titleOf(run)}</b>
        <span className={classes.quiet}>
          {run.reason} · confirmed by {sayActor(run)} <When at={run.confirmed_at ?? run.frozen_at} />
        </span>
        {isOpen && (
          <Progress
            value={run.total === 0 ? 100 : (done / run.total) * 100}
            aria-label={`Progress: ${done} of ${run.total}`}
            my={6}
          />
        )}
        <span className={classes.numbers} role="status">
          {sayRun(run)}
        </span>
        {run.refusals.map(({ because, rows }) => (
          <span key={because} className={classes.quiet}>
            {formatNumber(rows)} refused: {because}.
          </span>
        ))}
        {run.hindrance && <span className={classes.quiet}>{run.hindrance}</span>}
      </div>
      {isOpen && me.isAdmin && run.state !== 'cancelled' && (
        <Group gap="xs">
          <Button
            variant="default"
            size="xs"
            onClick={() =>
              setSteering(
                run.state === 'paused'
                  ? { to: 'running', title: 'Let it go on', verb: 'Go on' }
                  : { to: 'paused', title: 'Pause the bulk work', verb: 'Pause' },
              )
            }
          >
            {run.state === 'paused' ? 'Go on' : 'Pause'}
          </Button>
          <Button
            variant="default"
            size="xs"
            onClick={() => setSteering({ to: 'cancelled', title: 'Cancel the bulk work', verb: 'Take no more' })}
          >
            Cancel
          </Button>
        </Group>
      )}
      {steering && (
        <ReasonDialog
          title={steering.title}
          verb={steering.verb}
          isOptional
          act={(reason) =>
            read(
              runs[':id'].steer.$post({
                param: { id: String(run.id) },
                json: { to: steering.to, ...(reason && { reason }) },
              }),
            )
          }
          onDone={(now) => {
            setSteering(undefined);
            void client.invalidateQueries({ queryKey: ['runs'] });
            showDone(sayRun(now));
          }}
          onClose={() => setSteering(undefined)}
        >
          {sayRun(run)}
        </ReasonDialog>
      )}
    </li>
  );
}
