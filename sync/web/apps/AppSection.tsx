import { Tag } from '@aether/ui/Tag.tsx';
import { Group } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import type { ReactNode } from 'react';
import type { AppStatus } from '../api/apps.ts';
import { consumersQuery } from '../api/consumers.ts';
import { healthQuery } from '../api/health.ts';
import { type Subscription, subscriptionsQuery } from '../api/operations.ts';
import { subscriptionOf, type Webhook, webhooksQuery } from '../api/webhooks.ts';
import styles from '../consumers/consumers.module.css';
import { sayNumber } from '../consumers/words.ts';
import { StatusMark } from '../health/statuses.tsx';
import { Command } from '../parts/Command.tsx';
import classes from '../parts/parts.module.css';
import { Marks } from '../subscriptions/SubscriptionsPage.tsx';
import { When } from '../times/When.tsx';
import { sayLag } from '../webhooks/WebhooksPage.tsx';
import { sayState } from '../webhooks/words.ts';
import own from './apps.module.css';
import { findLast, findOddities, houseApps, type Mend, type Oddity, sayUnheard } from './oddities.ts';

/** One app: what it may do and see, its ways in, and what is odd about it. */
export function AppSection({ app, madeFor }: { app: AppStatus; madeFor: number }) {
  const { name } = app;
  const subscriptions = useQuery(subscriptionsQuery).data?.subscriptions;
  const webhooks = useQuery(webhooksQuery).data?.webhooks.filter((each) => each.app === name);
  const consumer = useQuery(consumersQuery).data?.consumers.find((each) => each.name === name);
  const checks = useQuery(healthQuery).data?.checks;
  const ofApp = subscriptions?.filter((each) => each.app === name) ?? [];
  // While the ways in are still on their way, nothing is said to be missing.
  const oddities =
    webhooks && checks
      ? findOddities({ app, madeFor, webhooks, isConsumer: consumer !== undefined, checks })
      : undefined;
  return (
    <section aria-label={name} className={styles.consumer}>
      <Group gap="xs" align="baseline">
        <h2 className={styles.name}>{name}</h2>
        {houseApps.includes(name) && <Tag>of the house</Tag>}
        {app.logins.length === 0 && <Tag tone="bad">out of service</Tag>}
      </Group>
      {oddities?.length === 0 && <p className={`${styles.status} ${classes.quiet}`}>Nothing is missing or odd.</p>}
      {oddities && oddities.length > 0 && (
        <ul className={classes.list} aria-label={`What is odd about ${name}`}>
          {oddities.map((each) => (
            <OddityItem key={each.words} oddity={each} app={name} />
          ))}
        </ul>
      )}
      <Facts app={app} lastReported={consumer?.reported_at ?? null} webhooks={webhooks ?? []} />
      <Ways name={name} subscriptions={ofApp} all={subscriptions ?? []} webhooks={webhooks ?? []} />
      {consumer && (
        <p className={styles.status}>
          It reads from Service Bus: <Link to="/consumers">consumer {name}</Link>
          {consumer.letters.length > 0 && `, ${sayNumber(consumer.letters.length, 'message')} dead`}
        </p>
      )}
    </section>
  );
}

function OddityItem({ oddity: { status, words, mend, command }, app }: { oddity: Oddity; app: string }) {
  return (
    <li className={`${classes.item} ${own.odd}`}>
      <StatusMark status={status} />
      <div className={classes.what}>
        <span>{words}</span>
        {command && <Command text={command} />}
      </div>
      {mend && <MendLink mend={mend} app={app} />}
    </li>
  );
}

function MendLink({ mend, app }: { mend: Mend; app: string }) {
  switch (mend.to) {
    case '/subscriptions/$name':
      return (
        <Link to="/subscriptions/$name" params={{ name: mend.name }}>
          The subscription
        </Link>
      );
    case '/webhooks/$name':
      return (
        <Link to="/webhooks/$name" params={{ name: mend.name }}>
          The webhook
        </Link>
      );
    case '/consumers':
      return <Link to="/consumers">Its consumer</Link>;
    case '/webhooks':
      return (
        <Link to="/webhooks" search={{ app: mend.app, add: 'yes' }}>
          Add a webhook
        </Link>
      );
    case '/runbooks/$kind':
      return (
        <Link to="/runbooks/$kind" params={{ kind: mend.kind }} aria-label={`What to do about ${mend.kind} of ${app}`}>
          What to do
        </Link>
      );
  }
}

type FactsProps = { app: AppStatus; lastReported: string | null; webhooks: Webhook[] };

function Facts({ app, lastReported, webhooks }: FactsProps) {
  const { logins, schema, machines, granted, sees, publishes, processes } = app;
  const last = findLast(app, [lastReported, ...webhooks.map(({ delivered_at }) => delivered_at)]);
  return (
    <dl className={classes.facts}>
      <Fact name="Heard of">
        {last === undefined ? sayUnheard(app) : <When at={last} />}
        {processes.live + processes.silent > 0 &&
          `, ${sayNumber(processes.live, 'process')} alive${processes.silent > 0 ? `, ${processes.silent} silent` : ''}`}
      </Fact>
      <Fact name="Login">
        {logins.length === 0
          ? 'none'
          : logins
              .map(
                ({ name, connections, connections_max: max }) =>
                  `${name}, ${max === null ? `${connections} connections` : `${connections} of ${max} connections`} open`,
              )
              .join('; ')}
      </Fact>
      <Fact name="Role">
        <Link to="/access">{app.role}</Link>
      </Fact>
      <Fact name="Audience">{app.audience}</Fact>
      <Fact name="Schema">
        {schema === null ? 'none' : `${schema.name}, ${schema.tables === 1 ? '1 table' : `${schema.tables} tables`}`}
      </Fact>
      <Fact name="Machines">
        {machines.length === 0
          ? 'no client of the identity provider is named as its own'
          : machines.map(({ client, scopes }) => `${client}: ${scopes.join(', ') || 'nothing'}`).join('; ')}
      </Fact>
      <Fact name="Sees">
        {sayTypes(sees)}
        {granted.length > 0 &&
          `; of deals ${granted.map(({ type, with_amounts }) => `${type}${with_amounts ? ' with amounts' : ''}`).join(', ')}`}
      </Fact>
      <Fact name="Publishes">{publishes.length === 0 ? 'nothing of late' : publishes.join(', ')}</Fact>
      <Fact name="Added">
        <When at={app.created_at} />
      </Fact>
    </dl>
  );
}

function Fact({ name, children }: { name: string; children: ReactNode }) {
  return (
    <>
      <dt>{name}</dt>
      <dd>{children}</dd>
    </>
  );
}

/** `customer, company: created, updated, deleted` would need a table: the records are enough. */
function sayTypes(types: string[]): string {
  const records = [...new Set(types.map((type) => type.split('.')[0]))];
  return records.length === 0 ? 'nothing' : `events of ${records.join(', ')}`;
}

type WaysProps = { name: string; subscriptions: Subscription[]; all: Subscription[]; webhooks: Webhook[] };

/** Its subscriptions and webhooks, and how far each is behind. */
function Ways({ name, subscriptions, all, webhooks }: WaysProps) {
  return (
    <>
      {subscriptions.length > 0 && (
        <>
          <h3 className={classes.title}>Subscriptions</h3>
          <ul className={classes.list} aria-label={`Subscriptions of ${name}`}>
            {subscriptions.map((each) => (
              <li key={each.name} className={classes.item}>
                <div className={classes.what}>
                  <Link to="/subscriptions/$name" params={{ name: each.name }}>
                    {each.name}
                  </Link>
                </div>
                <Marks subscription={each} />
                <span className={classes.numbers}>{sayLag(each)}</span>
                <span className={classes.quiet}>
                  at {each.position}, moved <When at={each.moved_at} />
                </span>
              </li>
            ))}
          </ul>
        </>
      )}
      {webhooks.length > 0 && (
        <>
          <h3 className={classes.title}>
            <Link to="/webhooks" search={{ app: name }}>
              Webhooks
            </Link>
          </h3>
          <ul className={classes.list} aria-label={`Webhooks of ${name}`}>
            {webhooks.map((each) => {
              const subscription = all.find((one) => one.name === subscriptionOf(each.name));
              const { tone, word } = sayState(each, subscription);
              return (
                <li key={each.name} className={classes.item}>
                  <div className={classes.what}>
                    <Link to="/webhooks/$name" params={{ name: each.name }}>
                      {each.name}
                    </Link>
                  </div>
                  <Tag tone={tone}>{word}</Tag>
                  {subscription && <span className={classes.numbers}>{sayLag(subscription)}</span>}
                </li>
              );
            })}
          </ul>
        </>
      )}
    </>
  );
}
