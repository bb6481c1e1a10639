import { formatNumber } from '@aether/ui/formats.ts';
import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { healthQuery } from '../api/health.ts';
import classes from '../parts/parts.module.css';
import { saySeconds } from '../subscriptions/words.ts';
import styles from './consumers.module.css';
import { StatusLine } from './StatusLine.tsx';
import { sayNumber, sayTimes } from './words.ts';

const relayName = 'sync.servicebus';

/** The way from the log to the bus: all consumers wait if it stops. */
export function RelaySection() {
  const checks = useQuery(healthQuery).data?.checks;
  if (!checks) return null;
  const bus = checks.find(({ kind }) => kind === 'bus');
  const behind = checks.find(({ slug }) => slug === `subscription:${relayName}`)?.measures.lag_seconds;
  return (
    <section aria-label="Relay">
      <h2 className={styles.name}>Relay</h2>
      {bus ? (
        <StatusLine check={bus} subject="Service Bus" />
      ) : (
        <p className={styles.status}>
          No worker relays events to Service Bus, so what follows is as it was when one did.
        </p>
      )}
      <dl className={classes.facts}>
        {bus && (
          <>
            <dt>In flight</dt>
            <dd>
              {sayNumber(bus.measures.in_flight ?? 0, 'event')}, {formatNumber(bus.measures.sent ?? 0)} sent since its
              start
            </dd>
            <dt>Throttled</dt>
            <dd>{sayTimes(bus.measures.throttled ?? 0)} since its start</dd>
          </>
        )}
        <dt>Reads the log as</dt>
        <dd>
          <Link to="/subscriptions/$name" params={{ name: relayName }}>
            {relayName}
          </Link>
          {behind !== undefined && `, ${behind === 0 ? 'up to date' : `${saySeconds(behind)} behind`}`}
        </dd>
      </dl>
    </section>
  );
}
