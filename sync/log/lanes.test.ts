import { type AppEvent, type Customer, isUuid, type Subscription, type SubscriptionOptions } from '@aether/platform';
import { afterEach, beforeAll, describe, expect, test } from 'vitest';
import { listParked, redrive, skip } from '../operations/parked.ts';
import { listSubscriptions, pause, resume } from '../operations/subscriptions.ts';
import { replayPaused, startTestPlatform, type TestPlatform, until } from '../testing.ts';

let platform: TestPlatform;
let widget: string;
let running: Subscription[] = [];
let unique = 0;
beforeAll(async () => {
  platform = await startTestPlatform();
  [{ id: widget }] = (await platform.support.query(
    `insert into support.widgets (key, name) values ('lanes-widget', 'W') returning id`,
  )) as [{ id: string }];
});
afterEach(async () => {
  await Promise.all(running.map((subscription) => subscription.stop()));
  running = [];
});

const newCustomer = (): Promise<Customer> =>
  platform.foundation.createCustomer({ email: `l${++unique}@example.com`, name: 'New' });
const rename = ({ id }: Customer, name: string) => platform.foundation.updateCustomer(id, { name });
async function newSession(customer?: Customer): Promise<string> {
  const [row] = await platform.support.query<{ id: string }>(
    `insert into support.sessions (widget_id, customer_id, visitor_name, token_hash) values ($1, $2, 'V', sha256($3)) returning id`,
    [widget, customer?.id ?? null, Buffer.from(`lanes ${++unique}`)],
  );
  return (row as { id: string }).id;
}
const change = (session: string, values: { visitor_name?: string; customer_id?: string }) =>
  platform.support.query(
    'update support.sessions set visitor_name = coalesce($2, visitor_name), customer_id = coalesce($3, customer_id) where id = $1',
    [session, values.visitor_name ?? null, values.customer_id ?? null],
  );
/** As a merge does: the row stays, and its records go to the other customer. */
const merge = (from: Customer, into: Customer) =>
  platform.superuser.query('update platform.customers set merged_into = $2 where id = $1', [from.id, into.id]);
const unmerge = ({ id }: Customer) =>
  platform.superuser.query('update platform.customers set merged_into = null where id = $1', [id]);

/** A subscription that records what it handles, and fails for the keys in `poison`. */
async function subscribe(options: Partial<SubscriptionOptions<'customer.updated'>> = {}) {
  const name = `support.lanes${++unique}`;
  const handled: string[] = [];
  const poison = new Set<string>();
  const parked = async () => (await listParked(platform.sync, { subscription: name })).map(({ state }) => state).join();
  const types = ['customer.updated', 'session.created', 'session.updated', 'message.created'] as const;
  const subscription = platform.support.events.subscribeBatch(
    { attemptsMax: 1, pollMs: 20, ...options, name, types: [...types] as never },
    async (events: AppEvent[], { tx }) => {
      for (const event of events) {
        const label = labelOf(event);
        if (poison.has(label)) throw new Error('poison');
        tx.afterCommit(() => handled.push(label));
      }
    },
  );
  running.push(subscription);
  await subscription.ready;
  return {
    name,
    handled,
    poison,
    parked,
    /** Waits until nothing is parked and as many are handled. Others see the commit before this process is told of it. */
    async allHandled(labels: string[]) {
      await until(async () => handled.length >= labels.length && (await parked()) === '');
      expect(handled).toEqual(labels);
    },
  };
}
const labelOf = ({ type, data }: AppEvent) => {
  const { visitor_name, name, body, customer_id, merged_into } = data as Record<string, string | null>;
  if (merged_into !== undefined) return merged_into ? 'merged' : 'unmerged';
  return type === 'session.updated' && !visitor_name
    ? `linked ${isUuid(customer_id ?? '')}`
    : `${visitor_name ?? body ?? name}`;
};

describe('a row that is linked to a customer while its first event waits', () => {
  test('keeps its order, and the customer’s later events wait behind it', async () => {
    const { name, handled, poison, parked, allHandled } = await subscribe();
    const customer = await newCustomer();
    poison.add('V');
    const session = await newSession();
    await until(async () => (await parked()) === 'dead');
    await change(session, { customer_id: customer.id });
    await rename(customer, 'Later');
    await change(session, { visitor_name: 'Last' });
    await rename(await newCustomer(), 'Other');
    await until(() => handled.includes('Other'));
    expect(handled).toEqual(['Other']);
    expect(await parked()).toBe('dead,waiting,waiting,waiting');
    poison.clear();
    await redrive(platform.sync, { subscription: name });
    await allHandled(['Other', 'V', 'linked true', 'Later', 'Last']);
  });

  test('holds back only itself if the subscription holds back rows', async () => {
    const { name, handled, poison, parked, allHandled } = await subscribe({ holds: 'row' });
    const customer = await newCustomer();
    poison.add('V');
    const session = await newSession();
    await until(async () => (await parked()) === 'dead');
    await change(session, { customer_id: customer.id });
    await rename(customer, 'Later');
    await until(() => handled.includes('Later'));
    expect(await parked()).toBe('dead,waiting');
    poison.clear();
    await redrive(platform.sync, { subscription: name });
    await allHandled(['Later', 'V', 'linked true']);
  });

  test('keeps its order also when all events come in one batch', async () => {
    const { handled, poison, parked } = await subscribe();
    const [customer, other] = [await newCustomer(), await newCustomer()];
    poison.add('Before the link');
    await platform.support.transaction({}, async (tx) => {
      const [session] = await tx.query<{ id: string }>(
        `insert into support.sessions (widget_id, visitor_name, token_hash) values ($1, 'Before the link', sha256($2)) returning id`,
        [widget, Buffer.from(`lanes ${++unique}`)],
      );
      await tx.query('update support.sessions set customer_id = $2 where id = $1', [session?.id, customer.id]);
      await platform.support.updateCustomer(customer.id, { name: 'After the link' }, { tx });
      await platform.support.updateCustomer(other.id, { name: 'Apart' }, { tx });
    });
    await until(() => handled.includes('Apart'));
    expect(handled).toEqual(['Apart']);
    expect(await parked()).toBe('dead,waiting,waiting');
  });
});

test('a message waits behind its session, because it never leaves it', async () => {
  const { handled, poison, parked } = await subscribe({ holds: 'row' });
  poison.add('V');
  const session = await newSession();
  await until(async () => (await parked()) === 'dead');
  await platform.support.query(
    `insert into support.messages (session_id, number, author, client_id, body) values ($1, 1, 'bot', 'greeting', 'Hello')`,
    [session],
  );
  await rename(await newCustomer(), 'Apart');
  await until(() => handled.includes('Apart'));
  expect(handled).not.toContain('Hello');
  expect(await parked()).toBe('dead,waiting');
});

describe('when two customers become one', () => {
  test('the events of each wait behind a dead event of the other', async () => {
    const { name, handled, poison, parked, allHandled } = await subscribe();
    const [loser, survivor] = [await newCustomer(), await newCustomer()];
    poison.add('Poison');
    await rename(loser, 'Poison');
    await until(async () => (await parked()) === 'dead');
    await rename(survivor, 'Still apart');
    await until(() => handled.includes('Still apart'));
    await merge(loser, survivor);
    await rename(survivor, 'Now one');
    await until(async () => (await parked()) === 'dead,waiting,waiting');
    poison.clear();
    await redrive(platform.sync, { subscription: name });
    await allHandled(['Still apart', 'Poison', 'merged', 'Now one']);
  });

  test('of two events that wait for their next attempt, the later one waits for the first', async () => {
    const { handled, poison, parked, allHandled } = await subscribe({
      attemptsMax: 1_000,
      retryFirstMs: 150,
      retryMaxMs: 150,
    });
    const [loser, survivor] = [await newCustomer(), await newCustomer()];
    poison.add('First').add('Second');
    await rename(loser, 'First');
    await rename(survivor, 'Second');
    await until(async () => (await parked()) === 'retrying,retrying');
    await merge(loser, survivor);
    await until(async () => (await parked()) === 'retrying,waiting,waiting');
    poison.delete('Second');
    await until(async () => (await platform.sync.query('select sync.outbox_age() is null as empty')).rows[0].empty);
    expect(handled).toEqual([]);
    poison.clear();
    await allHandled(['First', 'Second', 'merged']);
  });

  test('and are separated again, the events that waited only for the other customer continue', async () => {
    const { name, handled, poison, parked, allHandled } = await subscribe();
    const [loser, survivor] = [await newCustomer(), await newCustomer()];
    poison.add('Poison');
    await rename(survivor, 'Poison');
    await until(async () => (await parked()) === 'dead');
    await pause(platform.sync, name, 'the merge comes first');
    await rename(loser, 'Of the loser');
    await merge(loser, survivor);
    await resume(platform.sync, name);
    await until(async () => (await parked()) === 'dead,waiting,waiting');
    await unmerge(loser);
    await until(() => handled.length > 0);
    await until(async () => (await parked()) === 'dead,waiting,waiting');
    expect(handled).toEqual(['Of the loser']);
    poison.clear();
    await redrive(platform.sync, { subscription: name });
    await allHandled(['Of the loser', 'Poison', 'merged', 'unmerged']);
  });
});

test('a replay by customer includes the events of all customers merged into it, and those from before a link', async () => {
  const { name, handled } = await subscribe();
  const [loser, survivor, other] = [await newCustomer(), await newCustomer(), await newCustomer()];
  const session = await newSession();
  await change(session, { customer_id: loser.id });
  await rename(other, 'Not this');
  await rename(survivor, 'This');
  await merge(loser, survivor);
  await platform.settled(name);
  await until(() => handled.length === 5);
  const before = handled.splice(0);
  expect(await replayPaused(platform.sync, { subscription: name, customer: survivor.id })).toEqual({ events: 4 });
  await until(() => handled.length === 4);
  expect(handled).toEqual(before.filter((label) => label !== 'Not this'));
});

test('erasing finds every event about a customer: before a link, under the other’s name after a merge, and where a row left it', async () => {
  const [loser, survivor, other] = [await newCustomer(), await newCustomer(), await newCustomer()];
  const linkedLater = await newSession();
  await change(linkedLater, { customer_id: loser.id });
  const moved = await newSession(loser);
  await platform.support.transaction({ actor: 'maya' }, (tx) =>
    tx.query(`select platform.move_record('session', $1, $2)`, [moved, other.id]),
  );
  await change(moved, { visitor_name: 'Of the other' });
  const never = await newSession();
  await change(never, { visitor_name: 'Of nobody' });
  await platform.support.transaction({}, async (tx) => {
    const { events } = platform.support;
    await events.publish('support.lane' as never, { n: 1 } as never, tx, { customer: survivor.id });
    await events.publish('support.lane' as never, { n: 2 } as never, tx);
    await events.publish('support.lane' as never, { n: 3 } as never, tx, { customer: other.id });
  });
  await merge(loser, survivor);
  await until(async () => (await platform.sync.query('select sync.outbox_age() is null as empty')).rows[0].empty);
  const find = async ({ id }: Customer) =>
    (
      await platform.sync.query(
        `select e.type, e.key, e.data from sync.list_events_of_customer($1) as position join sync.events e using (position)
          order by position`,
        [id],
      )
    ).rows.map(({ type, key, data }) => `${type} ${data.n ?? nameOf(key)}`);
  const names = new Map(
    Object.entries({ loser: loser.id, survivor: survivor.id, other: other.id, linkedLater, moved, never }).map(
      ([name, id]) => [id, name],
    ),
  );
  const nameOf = (key: string) => names.get(key) ?? key;
  const ofBoth = [
    'customer.created loser',
    'customer.created survivor',
    'session.created linkedLater',
    'session.updated linkedLater',
    'session.created moved',
    'session.updated moved',
    'support.lane 1',
    'customer.updated loser',
  ];
  expect(await find(survivor)).toEqual(ofBoth);
  expect(await find(loser)).toEqual(ofBoth);
  expect(await find(other)).toEqual([
    'customer.created other',
    'session.updated moved',
    'session.updated moved',
    'support.lane 3',
  ]);
});

test('an event about a customer that does not exist is refused', async () => {
  const nobody = '00000000-0000-7000-8000-000000000000';
  await expect(
    platform.support.transaction({}, (tx) =>
      platform.support.events.publish('support.lane' as never, {} as never, tx, { customer: nobody }),
    ),
  ).rejects.toMatchObject({ code: 'reference-not-found' });
});

test('a change of what a subscription holds back takes effect at once', async () => {
  const { name, handled, poison, parked } = await subscribe();
  const customer = await newCustomer();
  poison.add('V');
  await newSession(customer);
  await until(async () => (await parked()) === 'dead');
  await rename(customer, 'Held');
  await until(async () => (await parked()) === 'dead,waiting');
  await running.pop()?.stop();
  const again = platform.support.events.subscribe(
    'customer.updated',
    async (event) => void handled.push(event.data.name),
    {
      name,
      holds: 'row',
      pollMs: 20,
    },
  );
  running.push(again);
  await again.ready;
  await until(async () => (await parked()) === 'dead');
  expect(handled).toEqual(['Held']);
  expect((await listSubscriptions(platform.sync)).find((each) => each.name === name)?.holds).toBe('row');
  const [dead] = await listParked(platform.sync, { subscription: name });
  await skip(platform.sync, { subscription: name, position: dead?.position as number });
  expect(await parked()).toBe('');
});
