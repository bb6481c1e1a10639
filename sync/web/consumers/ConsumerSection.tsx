import { formatNumber } from '@aether/ui/formats.ts';
import { Tag } from '@aether/ui/Tag.tsx';
import { Button, Group } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import type { Consumer } from '../api/consumers.ts';
import { healthQuery } from '../api/health.ts';
import classes from '../parts/parts.module.css';
import { useMe } from '../shell/person.ts';
import { saySeconds } from '../subscriptions/words.ts';
import { When } from '../times/When.tsx';
import styles from './consumers.module.css';
import { Letters } from './Letters.tsx';
import type { Ask } from './OrderDialog.tsx';
import { OrderList } from './OrderList.tsx';
import { ParkedEvents } from './ParkedEvents.tsx';
import { StatusLine } from './StatusLine.tsx';
import { type Measures, sayNumber, sayParked, sayWaiting } from './words.ts';

/** One consumer: how far it is, what waits there for a person, and what was ordered. */
export function ConsumerSection({ consumer, onAsk }: { consumer: Consumer; onAsk: Ask }) {
  const { name, letters, parked, orders, is_paused: isPaused } = consumer;
  const { isAdmin } = useMe();
  const check = useQuery(healthQuery).data?.checks.find(({ slug }) => slug === `consumer:${name}`);
  const ask = isAdmin ? onAsk : undefined;
  return (
    <section aria-label={name} className={styles.consumer}>
      <Group gap="xs" align="baseline">
        <h2 className={styles.name}>{name}</h2>
        {isPaused && <Tag tone="warn">paused</Tag>}
        <Link to="/apps" search={{ app: name }} aria-label={`The app ${name}`}>
          The app
        </Link>
      </Group>
      {check && <StatusLine check={check} subject={name} />}
      <Facts consumer={consumer} measures={check?.measures} />
      {ask && <Acts consumer={consumer} ask={ask} />}
      {letters.length > 0 && (
        <Letters consumer={name} letters={letters} total={check?.measures.dead_letters} ask={ask} />
      )}
      {parked.length > 0 && <ParkedEvents consumer={name} events={parked} total={check?.measures.parked} ask={ask} />}
      {letters.length + parked.length === 0 && (
        <p className={`${styles.status} ${classes.quiet}`}>Nothing waits here for a person.</p>
      )}
      {orders.length > 0 && <OrderList consumer={name} orders={orders} />}
    </section>
  );
}

function Facts({ consumer, measures }: { consumer: Consumer; measures: Measures | undefined }) {
  const { reported_at: reportedAt } = consumer;
  return (
    <dl className={classes.facts}>
      {measures && (
        <>
          <dt>Waiting</dt>
          <dd>{sayWaiting(measures)}</dd>
          <dt>Lag</dt>
          <dd>
            {measures.lag_seconds === undefined
              ? 'not reported'
              : `${saySeconds(measures.lag_seconds)} from the change to its effect, at the last event`}
          </dd>
          <dt>Dead letters</dt>
          <dd>{measures.dead_letters === undefined ? 'not counted' : formatNumber(measures.dead_letters)}</dd>
          <dt>Parked</dt>
          <dd>{reportedAt === null ? 'not reported' : sayParked(measures)}</dd>
        </>
      )}
      <dt>Reports</dt>
      <dd>
        {reportedAt === null ? (
          'none of its processes has reported'
        ) : (
          <>
            {measures && `${sayNumber(measures.processes ?? 0, 'process')}, `}the last one <When at={reportedAt} />
          </>
        )}
      </dd>
    </dl>
  );
}

function Acts({ consumer, ask }: { consumer: Consumer; ask: Ask }) {
  const { letters, parked, reported_at: reportedAt, is_paused: isPaused } = consumer;
  const hasDead = parked.some(({ state }) => state === 'dead');
  return (
    <Group gap="xs" mb="md">
      {letters.length > 0 && <Button onClick={() => ask({ act: 'resubmit' })}>Resubmit all dead letters…</Button>}
      {hasDead && <Button onClick={() => ask({ act: 'retry' })}>Try all dead events again…</Button>}
      {reportedAt !== null && (
        <Button variant={isPaused ? 'filled' : 'default'} onClick={() => ask({ act: isPaused ? 'resume' : 'pause' })}>
          {isPaused ? 'Resume…' : 'Pause…'}
        </Button>
      )}
    </Group>
  );
}
