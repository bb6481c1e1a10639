import { showRefusal } from '@aether/ui/toasts.tsx';
import { Button } from '@mantine/core';
import { IconCircleCheck } from '@tabler/icons-react';
import { useMutation, useQueryClient } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { acknowledge, type ToldAlert } from '../api/alerts.ts';
import type { Status } from '../api/health.ts';
import health from '../health/health.module.css';
import { findPlace } from '../health/mending.ts';
import { StatusMark } from '../health/statuses.tsx';
import { words } from '../health/words.ts';
import { useMe } from '../shell/person.ts';
import { When } from '../times/When.tsx';
import classes from './alerts.module.css';

type AlertListProps = { alerts: ToldAlert[]; onSilence: ((slug: string) => void) | undefined };

/** Alerts, one a line: the state, what it is about, why, what came of sending it, and what to do. */
export function AlertList({ alerts, onSilence }: AlertListProps) {
  return (
    <ul className={health.checks} aria-label="Alerts">
      {alerts.map((alert) => (
        <li key={alert.id} className={classes.alert} data-slug={alert.slug}>
          {isStatus(alert.status) ? (
            <StatusMark status={alert.status} />
          ) : (
            <span className={health.mark}>
              <IconCircleCheck size={17} stroke={1.8} />
              Gone
            </span>
          )}
          <div className={health.what}>
            <b>{alert.slug}</b>
            <span className={health.reason}>{alert.reason}</span>
            <span className={classes.more}>
              was {isStatus(alert.previous) ? words[alert.previous].toLowerCase() : alert.previous} ·{' '}
              <When at={alert.told_at} />
              {describeSending(alert).map((part) => ` · ${part}`)}
            </span>
          </div>
          <span className={health.ways}>
            <Seen alert={alert} />
            {alert.is_open && onSilence && (
              <Button variant="subtle" size="compact-sm" onClick={() => onSilence(alert.slug)}>
                Silence
              </Button>
            )}
            <Place alert={alert} />
            <Link to="/runbooks/$kind" params={{ kind: alert.kind }} aria-label={`What to do about ${alert.slug}`}>
              What to do
            </Link>
          </span>
        </li>
      ))}
    </ul>
  );
}

/** The page that mends it, if the console has one. */
function Place({ alert: { kind, status, slug } }: { alert: ToldAlert }) {
  const place = isStatus(status) ? findPlace({ kind, status, slug }) : undefined;
  if (!place) return null;
  return (
    <Link to={place.to} aria-label={`${place.label}, for ${slug}`}>
      {place.label}
    </Link>
  );
}

function isStatus(status: string): status is Status {
  return status in words;
}

function describeSending({ silenced, deliveries }: ToldAlert): string[] {
  const sent = deliveries.map(({ target, state, attempts, error }) => {
    const name = target === 'email' ? 'mail' : target;
    if (state === 'sent') return `sent by ${name}`;
    if (state === 'given-up') return `given up by ${name} (${error})`;
    return attempts === 0
      ? `waits for ${name}`
      : `waits for ${name} after ${attempts} attempts (${error ?? 'under way'})`;
  });
  return silenced === null ? sent : [`silenced: ${silenced}`, ...sent];
}

/** Who has seen it, or a button to say that one has. */
function Seen({ alert }: { alert: ToldAlert }) {
  const { isAdmin } = useMe();
  const client = useQueryClient();
  const seeing = useMutation({
    mutationFn: () => acknowledge(alert.id),
    onSettled: () => client.invalidateQueries({ queryKey: ['alerts'] }),
    onError: (error) => showRefusal('It is not acknowledged', error),
  });
  if (alert.acknowledged_by !== null) return <span className={classes.more}>seen by {alert.acknowledged_by}</span>;
  if (!alert.is_open || !isAdmin) return null;
  return (
    <Button
      variant="default"
      size="compact-sm"
      loading={seeing.isPending}
      aria-label={`Acknowledge ${alert.slug}`}
      onClick={() => seeing.mutate()}
    >
      Acknowledge
    </Button>
  );
}
