import type { Caller } from '@aether/http';
import {
  type Address,
  type CustomerPhone,
  type MergedFrom,
  NotFound,
  type PlatformDb,
  type Queryable,
} from '@aether/platform';
import { type Call, listCalls } from '../calls/calls.ts';
import { mayRead, type Reader, requireReaderOf } from '../conversations/readers.ts';
import { getSession } from '../conversations/sessions.ts';
import type { Context, ContextReader } from './context.ts';
import type { Recent } from './foundation.ts';

/** Why a customer has the current tier: the change, and the event that records it. */
export type TierTrace = {
  value: string | null;
  since: Date;
  /** The deal that gave the tier when it was won. */
  deal: { name: string } | null;
  by: { app: string; name: string | null };
  event: {
    id: number;
    position: number;
    occurred_at: Date;
    numbered_at: Date;
    trace: string | null;
    previous: string | null;
  };
};

export type PastSession = {
  id: string;
  started_at: Date;
  ended_at: Date | null;
  resolved: boolean | null;
  message_count: number;
  /** The visitor's first question. */
  summary: string | null;
};

/** The panel beside a conversation: the customer, the CRM's data, the past conversations. */
export type Panel = {
  /** null: the panel is of a customer, without a conversation. */
  identity: 'claimed' | 'verified' | null;
  /** null: the visitor has not given an address. */
  context: Context | null;
  /** Every address of the customer, the primary one first. */
  addresses: Address[];
  /** Every telephone number of the customer, the primary one first. */
  phones: CustomerPhone[];
  /** The customers that were merged into this one. */
  merged_from: MergedFrom[];
  tier: TierTrace | null;
  recent: Recent[];
  sessions: PastSession[];
  calls: Call[];
  read_at: Date;
};

const sessionsMax = 10;
const callsMax = 5;

/** The panel beside this conversation. @throws NotFound, Problem 403 */
export async function readSessionPanel(
  db: PlatformDb,
  readContext: ContextReader,
  caller: Caller | undefined,
  sessionId: string,
): Promise<Panel> {
  const reader = await requireReaderOf(db, caller, sessionId);
  const { customer_id, identity } = await getSession(db, sessionId);
  if (customer_id !== null) return readPanel(db, readContext, reader, customer_id, { identity, sessionId });
  return {
    ...{
      identity,
      context: null,
      addresses: [],
      phones: [],
      merged_from: [],
      tier: null,
      recent: [],
      sessions: [],
      calls: [],
    },
    read_at: await readClock(db),
  };
}

/** The panel of a customer, without a conversation; past ones only as far as the reader may read them. @throws NotFound */
export async function readPanel(
  db: PlatformDb,
  readContext: ContextReader,
  reader: Reader,
  customerId: string,
  { identity = null, sessionId }: { identity?: Panel['identity']; sessionId?: string } = {},
): Promise<Panel> {
  const read_at = await readClock(db); // read first: everything shown is at least as new
  const found = await readContext.byId(customerId);
  if (!found) throw new NotFound('customer');
  const { id } = found.customer;
  const [addresses, phones, merged_from, tier, { recent, reason }, sessions, calls] = await Promise.all([
    db.listAddresses(id),
    db.listPhones(id),
    db.listMergedFrom(id),
    readTier(db, id, readContext),
    readContext.recent(id),
    readSessions(db, reader, id, sessionId),
    listCalls(db, { customerId: id, limit: callsMax }),
  ]);
  const context = { ...found, partial: found.partial || reason !== null, reason: found.reason ?? reason };
  return {
    identity,
    context,
    addresses,
    phones,
    merged_from,
    tier,
    recent,
    sessions,
    calls: calls.map(({ place: _, ...call }) => call),
    read_at,
  };
}

async function readClock(on: Queryable): Promise<Date> {
  const [clock] = await on.query<{ now: Date }>('select clock_timestamp() as now');
  return (clock as { now: Date }).now;
}

/** The won deal whose closing made this version of the customer. */
const dealThatGave = `(select g.deal_name from crm.tier_grants g
        where g.customer_id = e.row_id::uuid and g.customer_version = e.version)`;

/** From the newest event that records the tier; null when the log does not go back so far, or the tier was never set. */
async function readTier(
  on: Queryable,
  customerId: string,
  { isShared }: Pick<ContextReader, 'isShared'>,
): Promise<TierTrace | null> {
  const [row] = await on.query<{
    value: string | null;
    previous: string | null;
    app: string;
    name: string | null;
    id: number;
    position: number;
    occurred_at: Date;
    sequenced_at: Date;
    trace: string | null;
    deal_name: string | null;
  }>(
    `select e.data ->> 'account_tier' as value, e.previous ->> 'account_tier' as previous, e.app, u.name, e.id, e.position, e.occurred_at,
      e.sequenced_at, e.trace,
       ${isShared ? dealThatGave : 'null'} as deal_name
     from sync.events e left join platform.users u on u.id = e.actor
     where e.key = $1 and e.type in ('customer.created', 'customer.updated') and e.data ? 'account_tier'
       and (e.type = 'customer.updated' or e.data ->> 'account_tier' is not null)
     order by e.position desc limit 1`,
    [customerId],
  );
  if (!row) return null;
  const { value, previous, app, name, id, position, occurred_at, sequenced_at, trace, deal_name } = row;
  return {
    value,
    since: occurred_at,
    deal: deal_name === null ? null : { name: deal_name },
    by: { app, name },
    event: { id, position, occurred_at, numbered_at: sequenced_at, trace, previous },
  };
}

function readSessions(
  on: Queryable,
  { agentId, readsAll }: Reader,
  customerId: string,
  otherThan: string | undefined,
): Promise<PastSession[]> {
  return on.query<PastSession>(
    `select s.id, s.started_at, s.ended_at, s.resolved, s.message_count,
       (select left(support.words_of(m), 140) from support.messages m where m.session_id = s.id
         and m.author = 'visitor' order by m.number limit 1) as summary
     from support.sessions s where s.customer_id = $1 and s.id is distinct from $2 and s.asked_at is not null
       and ${mayRead('$3', '$4')}
     order by s.started_at desc limit ${sessionsMax}`,
    [customerId, otherThan ?? null, agentId, readsAll],
  );
}
