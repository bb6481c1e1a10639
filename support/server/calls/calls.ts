import {
  type Attempt,
  goesOn,
  InvalidField,
  type Move,
  NotFound,
  type Paging,
  type Phone,
  type Placed,
  type PlatformDb,
  PlatformError,
  patchRow,
  type Queryable,
  readAttempt,
  readList,
  requireSameRequest,
  showAddress,
  type Transaction,
} from '@aether/platform';

export const outcomes = ['resolved', 'follow-up', 'voicemail', 'no-answer', 'wrong-number'] as const;
export type Outcome = (typeof outcomes)[number];

export type Call = {
  id: string;
  customer: { id: string; name: string };
  agent: { id: string; name: string } | null;
  direction: 'inbound' | 'outbound';
  number_e164: string;
  outcome: Outcome | null;
  notes: string | null;
  started_at: Date;
  duration_seconds: number | null;
  created_at: Date;
  /** How it came to this customer, if it was moved. */
  move?: Move;
};

export type NewCall = {
  client_id: string;
  direction: Call['direction'];
  number: string;
  /** The country by which a number without + is read, such as DE; by default PLATFORM_PHONE_COUNTRY. */
  country?: string;
  /** The chosen one of several customers with the number. */
  customer_id?: string;
  email?: string;
  name?: string;
  outcome: Outcome;
  notes?: string;
  started_at: string;
  duration_seconds: number;
};

export type Logged = { call: Call; customer_was: 'found-by-number' | 'found-by-email' | 'created' | 'chosen' };

type Named = { name: string; email: string };
const describe = ({ name, email }: Named) => `${name} (${showAddress(email)})`;

/** Ask the caller for a name, and send the `customer_id`: several customers have this number. */
export class NumberAmbiguous extends PlatformError {
  constructor(callers: Named[]) {
    super(
      'number-ambiguous',
      409,
      `Several customers have this number: ${callers.map(describe).join(', ')}. Choose one, or give the e-mail address.`,
    );
  }
}

/** Send the `customer_id` of one of them: the number is one customer's and the address another's. */
export class CallerAmbiguous extends PlatformError {
  constructor(callers: Named[], addressed: Named) {
    super(
      'caller-ambiguous',
      409,
      `The number is that of ${callers.map(describe).join(', ')}, and the address that of ${describe(addressed)}. Choose one of them.`,
    );
  }
}

const callColumns = `k.id, jsonb_build_object('id', c.id, 'name', c.name) as customer,
  case when a.id is not null then jsonb_build_object('id', a.id, 'name', u.name) end as agent,
  k.direction, k.number_e164, k.outcome, k.notes, k.started_at, k.duration_seconds, k.created_at`;
const callTables = `support.calls k join platform.customers o on o.id = k.customer_id
  join platform.customers c on c.id = coalesce(o.merged_into, o.id)
  left join support.agents a on a.id = k.agent_id left join platform.users u on u.id = a.user_id`;

export type Caller = { id: string; name: string; email: string; account_tier: string | null };

const callersMax = 10;

/**
 * The customers with a number, the primary one or another one, in whatever form it is written there. The most recently changed one comes
 * first. Behind one number there may be several desks: an extension finds those who have the same one; otherwise those of whom none is known.
 */
export async function findByNumber(
  on: Queryable,
  { key, extension }: Pick<Phone, 'key' | 'extension'>,
): Promise<Caller[]> {
  const found = await on.query<Caller & { has_extension: boolean }>(
    `select c.id, c.name, c.email, c.account_tier, n.has_extension
     from (
       select customer_id, bool_or(phone_extension is not null) as has_extension
       from (
         select id as customer_id, phone_extension from platform.customers where phone_key = $1
         union all
         select customer_id, phone_extension from platform.customer_phones where phone_key = $1 and not is_primary) p
       where $2::text is null or coalesce(phone_extension, $2) = $2
       group by customer_id) n
     join platform.customers c on c.id = n.customer_id
     where c.merged_into is null and c.erased_at is null
     order by n.has_extension and $2 is not null desc, c.updated_at desc, c.id limit ${callersMax}`,
    [key, extension],
  );
  const same = extension === null ? [] : found.filter(({ has_extension }) => has_extension);
  return (same.length > 0 ? same : found).map(({ has_extension: _, ...caller }) => caller);
}

/**
 * Logs a call and adds it to the CRM's timeline, in one transaction: one call and one activity, however often it is sent with its
 * client_id. The number decides which customer it belongs to, otherwise the address does, otherwise a customer is created. If they are those
 * of two customers, the caller chooses. A customer
 * that exists is not changed, except that one without a number gets this one.
 *
 * @throws InvalidField, InvalidEmail, NumberAmbiguous, CallerAmbiguous, NotFound, ClientIdReused
 */
export async function logCall(db: PlatformDb, tx: Transaction, given: NewCall, agentId: string): Promise<Logged> {
  const { client_id, ...asked } = given;
  const attempt = readAttempt(client_id, asked);
  const phone = db.requirePhone(given.number, { country: given.country, field: 'number' });
  const { key: number } = phone;
  const known = await findFirst(tx, client_id, attempt);
  if (known) return { call: known, customer_was: 'chosen' };
  const { customerId, customer_was } = await findCustomer(db, tx, given, phone);
  const [made] = await tx.query<{ id: string }>(
    `insert into support.calls
       (client_id, request_digest, customer_id, agent_id, direction, number_e164, outcome, notes, started_at, duration_seconds)
     values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) on conflict (client_id) do nothing returning id`,
    [
      client_id,
      attempt.digest,
      customerId,
      agentId,
      given.direction,
      number,
      given.outcome,
      given.notes ?? null,
      given.started_at,
      given.duration_seconds,
    ],
  );
  if (made) await tellCrm(tx, made.id, given, number);
  return { call: (await findFirst(tx, client_id, attempt)) as Call, customer_was };
}

/** The call that this request logged, now or by an earlier attempt. @throws ClientIdReused */
async function findFirst(tx: Transaction, clientId: string, attempt: Attempt): Promise<Call | undefined> {
  const [found] = await tx.query<Call & { request_digest: Buffer }>(
    `select ${callColumns}, k.request_digest from ${callTables} where k.client_id = $1`,
    [clientId],
  );
  if (!found) return undefined;
  const { request_digest, ...call } = found;
  requireSameRequest(request_digest, attempt);
  return call;
}

async function findCustomer(
  db: PlatformDb,
  tx: Transaction,
  { customer_id, email, name }: NewCall,
  phone: Phone,
): Promise<{ customerId: string; customer_was: Logged['customer_was'] }> {
  if (customer_id !== undefined) {
    const chosen = await db.getCustomerById(customer_id, { tx });
    if (!chosen) throw new NotFound('customer');
    return { customerId: chosen.id, customer_was: 'chosen' };
  }
  const callers = await findByNumber(tx, phone);
  const addressed = email === undefined ? null : await db.getCustomerByEmail(email, { tx });
  const caller = addressed || callers.length > 1 ? callers.find(({ id }) => id === addressed?.id) : callers[0];
  if (caller) return { customerId: caller.id, customer_was: 'found-by-number' };
  if (callers.length > 0 && addressed) throw new CallerAmbiguous(callers, addressed);
  if (callers.length > 1) throw new NumberAmbiguous(callers);
  if (email === undefined)
    throw new InvalidField([{ field: 'email', message: 'is required: no customer has this number' }]);
  if (!addressed && name === undefined)
    throw new InvalidField([{ field: 'name', message: 'is required: nobody has this address yet' }]);
  const { customer, created } = await db.findOrCreateCustomer({ email, name: name ?? email }, { tx });
  if (customer.support_id === null) await db.adoptCustomer(customer.id, { tx });
  // One statement, so that a number that a colleague writes meanwhile is kept.
  const { key, extension } = phone;
  await tx.query(
    `update platform.customers set phone = $2, phone_key = $3, phone_extension = $4 where id = $1 and phone is null`,
    [customer.id, extension === null ? key : `${key} ext. ${extension}`, key, extension],
  );
  return { customerId: customer.id, customer_was: created ? 'created' : 'found-by-email' };
}

const outcomeWords: Record<Outcome, string> = {
  resolved: 'resolved',
  'follow-up': 'to be followed up',
  voicemail: 'left a message',
  'no-answer': 'no answer',
  'wrong-number': 'wrong number',
};

/** The activity holds only the end of the number: the customer's record has all of it, if it is theirs. */
async function tellCrm(
  tx: Transaction,
  callId: string,
  { direction, outcome, duration_seconds }: NewCall,
  number: string,
) {
  await tx.query(
    `insert into crm.activities (customer_id, type, description, metadata, occurred_at, idempotency_key)
     select coalesce(c.merged_into, c.id), 'support_call', $2,
            jsonb_build_object('call_id', k.id, 'direction', k.direction, 'outcome', k.outcome, 'duration_seconds', k.duration_seconds,
              'number_ends', $3::text),
            least(k.started_at, now()), 'call:' || k.id
     from support.calls k join platform.customers c on c.id = k.customer_id where k.id = $1
     on conflict (created_by_app, idempotency_key) do nothing`,
    [callId, describeCall(direction, outcome, duration_seconds), number.slice(-2)],
  );
}

function describeCall(direction: Call['direction'], outcome: Outcome, seconds: number): string {
  const minutes = seconds < 60 ? 'under a minute' : `${Math.round(seconds / 60)} min`;
  const [first, rest] = [direction === 'inbound' ? 'Inbound' : 'Outbound', outcomeWords[outcome]];
  return outcome === 'no-answer' ? `${first} call, ${rest}` : `${first} call, ${minutes}, ${rest}`;
}

const newestFirst = {
  order: { by: 'k.started_at', type: 'timestamptz', id: 'k.id', idType: 'uuid' },
  direction: 'desc',
} as const;

/** Newest first. */
export async function listCalls(
  db: PlatformDb,
  { customerId, ...paging }: { customerId?: string } & Paging,
): Promise<Placed<Call>[]> {
  const calls = await readList<Call>(db.reads, { ...newestFirst, ...paging }, (parameter) => {
    const customer = customerId && goesOn(parameter(customerId, 'uuid'));
    return {
      columns: callColumns,
      from: callTables,
      where: customer ? [`(k.customer_id = ${customer} or c.id = ${customer})`] : [],
    };
  });
  const moves = await db.listMoves(
    'call',
    calls.map(({ id }) => id),
  );
  return calls.map((call) => ({ ...call, ...(moves.has(call.id) && { move: moves.get(call.id) }) }));
}

/** Corrects Support's own fields of a call. The CRM's activity stays as it was written. @throws NotFound */
export async function updateCall(
  tx: Transaction,
  id: string,
  change: { outcome?: Outcome; notes?: string | null; duration_seconds?: number },
): Promise<Call> {
  await patchRow(tx, 'support.calls', id, change, ['outcome', 'notes', 'duration_seconds']);
  const [call] = await tx.query<Call>(`select ${callColumns} from ${callTables} where k.id = $1`, [id]);
  if (!call) throw new NotFound('call');
  return call;
}
