import {
  type Customer,
  canonicaliseEmail,
  InvalidEmail,
  InvalidField,
  NotFound,
  PersonErased,
  type PlatformDb,
  patchRow,
  type Queryable,
  repeatIfGone,
  type Transaction,
  type Write,
} from '@aether/platform';
import { findLiveBot, greetVisitor } from '../chatbots/chatbots.ts';
import { canonicalLanguage } from '../context/language.ts';
import { addEntry } from '../conversations/entries.ts';
import { returnsUntil } from '../conversations/reopening.ts';
import { type LockedSession, lockSession } from '../conversations/sessions.ts';
import { chooseLanguage } from '../widgets/widgetlanguage.ts';
import { readSettings } from '../widgets/widgetsettings.ts';
import { type Identity, readIdentity } from './identity.ts';
import { createVisitorToken, hashVisitorToken } from './tokens.ts';

/** What a visitor's widget sends to open a session. */
export type Opening = {
  email?: string;
  name?: string;
  /** Signed by the host page: it proves the visitor's identity. */
  identity_token?: string;
  page?: { url: string; title?: string };
  language?: string;
  /** In which the widget is shown. One that the widget does not have is not kept. */
  widget_language?: string;
  time_zone?: string;
  /** No agent is there; the visitor leaves a question. */
  is_offline?: boolean;
};

export type Opened = {
  session_id: string;
  visitor_token: string;
  status: 'active';
  identity: 'claimed' | 'verified';
  started_at: Date;
};

/** A widget as its visitors see it. */
export type VisitedWidget = { id: string; key: string; name: string; allowed_origins: string[]; settings: unknown };

/** @throws NotFound, also for a widget that is not active */
export async function findWidget(on: Queryable, key: string): Promise<VisitedWidget> {
  const [widget] = await on.query<VisitedWidget>(
    'select id, key, name, allowed_origins, settings from support.widgets where key = $1 and is_active',
    [key],
  );
  if (!widget) throw new NotFound('widget');
  return widget;
}

/**
 * A visitor starts to chat: opens a session, finds or creates the customer of the address and makes it Support's too, in
 * one transaction. The visitor only claims the address, so nothing of a known customer is changed or revealed. The search for
 * the customer is the last step: everything whose time the visitor may see, the greeting and its id among it, comes before it.
 *
 * @param options `mailId`: the id of a conversation that a mail opens. No bot answers it, and nobody gets its token.
 * @returns the visitor's token, which is not stored and cannot be read again.
 * @throws InvalidEmail, InvalidField when the widget requires an address; IdentityRefused
 */
export async function openSession(
  db: PlatformDb,
  widget: VisitedWidget,
  opening: Opening,
  write: Write = {},
  { mailId }: { mailId?: string } = {},
): Promise<Opened> {
  const { identity_token, page, language, widget_language, time_zone, is_offline = false } = opening;
  const settings = readSettings(widget.settings);
  const shownIn = chooseLanguage(settings, { page: widget_language });
  const verified = identity_token === undefined ? undefined : await readIdentity(db, widget, identity_token);
  const mayBeNobody = settings.ask === 'never' && !is_offline && mailId === undefined;
  const who = verified ?? readClaim(opening, mayBeNobody);
  const { token, hash } = createVisitorToken();
  const open = async (tx: Transaction): Promise<Opened> => {
    const bot = is_offline || mailId !== undefined ? undefined : await findLiveBot(tx, widget.id);
    const handler = bot ? 'bot' : 'agent';
    const [made] = await tx.query<{ id: string; started_at: Date }>(
      `insert into support.sessions
         (id, widget_id, identity, visitor_email, visitor_name, token_hash, handler, is_offline, page, language, time_zone,
          widget_language)
       values (coalesce($11, gen_random_uuid()), $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $12) returning id, started_at`,
      [
        widget.id,
        verified ? 'verified' : 'claimed',
        who?.email ?? null,
        who?.name ?? null,
        hash,
        handler,
        is_offline,
        page ? JSON.stringify(page) : null,
        language ?? null,
        time_zone ?? null,
        mailId ?? null,
        shownIn,
      ],
    );
    const { id, started_at } = made as { id: string; started_at: Date };
    if (verified) await addEntry(tx, id, 'verified');
    const held: LockedSession = {
      id,
      status: 'active',
      handler,
      widget_id: widget.id,
      agent_id: null,
      message_count: 0,
      widget_language: shownIn,
    };
    if (bot) await greetVisitor(tx, held, bot.rules);
    if (who) {
      const customerId = verified ? await proveCustomer(db, tx, id, verified) : await findCustomer(db, tx, id, who);
      if (customerId) await tx.query('update support.sessions set customer_id = $2 where id = $1', [id, customerId]);
    }
    return {
      session_id: id,
      visitor_token: token,
      status: 'active',
      identity: verified ? 'verified' : 'claimed',
      started_at,
    };
  };
  return repeatIfGone(write, () => db.within(write, open));
}

/** The typed name and address, with the address in its plain form. @throws InvalidEmail, InvalidField */
function readClaim({ email, name }: Opening, mayBeNobody: boolean): Identity | undefined {
  if (mayBeNobody && email === undefined) return undefined;
  const missing = Object.entries({ email, name }).filter(([, value]) => value === undefined);
  if (email === undefined || name === undefined)
    throw new InvalidField(missing.map(([field]) => ({ field, message: 'is required' })));
  const canonical = canonicaliseEmail(email);
  if (!canonical.ok) throw new InvalidEmail(canonical.reason, canonical.message);
  return { email: canonical.address, name };
}

/**
 * The customer of a typed address. Only a record that is made here learns from the browser: who types another one's address must not change
 * theirs.
 *
 * @returns null for a person who was erased: the chat goes on without a customer, and the visitor does not learn that.
 */
async function findCustomer(
  db: PlatformDb,
  tx: Transaction,
  sessionId: string,
  { email, name }: Identity,
): Promise<string | null> {
  const found = await orNobody(db.findOrCreateCustomer({ email, name }, { tx }));
  const customerId = await adopt(db, tx, found?.customer);
  if (customerId && found?.created) await learn(tx, customerId, sessionId);
  return customerId;
}

/**
 * The customer of an address that the host page vouches for. If another customer has it unverified as a secondary address, or as the
 * primary one under quite another name, it goes to a new customer: the visitor is not shown as the other one.
 *
 * @returns null for an erased customer, as findCustomer does
 */
async function proveCustomer(
  db: PlatformDb,
  tx: Transaction,
  sessionId: string,
  { email, name }: Identity,
): Promise<string | null> {
  const found = await orNobody(db.proveAddress({ email, name }, { tx }));
  const customerId = await adopt(db, tx, found?.customer);
  if (customerId) await learn(tx, customerId, sessionId);
  return customerId;
}

/** What was found or made; null if the address is of a person who is kept away. */
async function orNobody<Found>(found: Promise<Found>): Promise<Found | null> {
  try {
    return await found;
  } catch (error) {
    if (error instanceof PersonErased) return null;
    throw error;
  }
}

async function adopt(db: PlatformDb, tx: Transaction, customer: Customer | undefined): Promise<string | null> {
  if (customer === undefined || customer.erased_at !== null) return null;
  if (customer.support_id === null) await db.adoptCustomer(customer.id, { tx });
  return customer.id;
}

/** What a record keeps as a time zone: no offset, such as +05:30, which a browser may have. */
const recordedZone = /^[A-Za-z][A-Za-z0-9_+/-]{0,63}$/;

/**
 * What the session's browser said of language and time zone fills what the record lacks. What no record can keep is left out: a refusal would
 * tell the visitor that the record is new. A part of the search for the customer, before the session is held, because it takes time.
 */
async function learn(tx: Transaction, customerId: string, sessionId: string): Promise<void> {
  const [said] = await tx.query<{ language: string | null; time_zone: string | null }>(
    `select case when c.preferred_language is null then s.language end as language,
       case when c.timezone is null then s.time_zone end as time_zone
     from support.sessions s cross join platform.customers c where s.id = $1 and c.id = $2`,
    [sessionId, customerId],
  );
  const language = said?.language ? canonicalLanguage(said.language) : undefined;
  const timezone = said?.time_zone && recordedZone.test(said.time_zone) ? said.time_zone : undefined;
  if ((language ?? timezone) !== undefined)
    await patchRow(tx, 'platform.customers', customerId, { preferred_language: language, timezone }, [
      'preferred_language',
      'timezone',
    ]);
}

/** A session as its visitor may see it, and the facts on which the answer depends. */
export type VisitorSession = {
  id: string;
  widget: VisitedWidget;
  state: {
    status: 'active' | 'ended';
    resolved: boolean | null;
    handler: 'bot' | 'agent';
    agent: { name: string } | null;
    agent_read_number: number;
    identity: 'claimed' | 'verified';
    visitor_name: string | null;
    /** Of an ended one: until then a message opens it again. */
    reopens_until: string | null;
    /** So many hours after its last message it ends by itself. Null: it does not, or an agent has put it aside. */
    ends_after_hours: number | null;
    /** The score that the visitor gave. */
    rating: number | null;
    /** The widget asks for one: the conversation is over, the visitor has written in it, and somebody has answered, be it the bot. */
    asks_rating: boolean;
  };
};

/** A prepared statement: planning it takes longer than running it. */
const sessionOfVisitor = {
  name: 'session-of-visitor',
  text: `select s.id,
      jsonb_build_object('id', w.id, 'key', w.key, 'name', w.name, 'allowed_origins', w.allowed_origins, 'settings', w.settings) as widget,
      jsonb_build_object('status', s.status, 'resolved', s.resolved, 'handler', s.handler,
        'agent', case when u.id is not null then jsonb_build_object('name', u.name) end,
        'agent_read_number', s.agent_read_number, 'identity', s.identity, 'visitor_name', s.visitor_name,
        'reopens_until', ${returnsUntil},
        'ends_after_hours', case when s.status = 'active' and (s.snoozed_until is null or s.snoozed_until <= now())
          then w.ends_after_hours end,
        'rating', g.score,
        'asks_rating', s.status = 'ended' and s.asked_at is not null and g.score is null
          and w.settings -> 'asks_rating' is distinct from 'false'
          and exists (select from support.messages m where m.session_id = s.id and m.author <> 'visitor')) as state
    from support.sessions s join support.widgets w on w.id = s.widget_id
      left join support.agents a on a.id = s.agent_id left join platform.users u on u.id = a.user_id
      left join support.ratings g on g.session_id = s.id
    where s.id = $1 and s.token_hash = $2`,
};

/** The session that this visitor opened. @throws NotFound, the same for a wrong token and for a session that does not exist */
export async function requireVisitorSession(on: Queryable, id: string, visitorToken: string): Promise<VisitorSession> {
  const [found] = await on.run<VisitorSession>(sessionOfVisitor, [id, hashVisitorToken(visitorToken)]);
  if (!found) throw new NotFound('session');
  return found;
}

/**
 * The host page vouches for the visitor: the session is theirs from then on, and the visitor's token is replaced, so that anybody
 * with the old one is locked out.
 *
 * @throws NotFound, IdentityRefused
 */
export async function verifySession(
  db: PlatformDb,
  session: VisitorSession,
  identityToken: string,
): Promise<{ visitor_token: string; identity: 'verified' }> {
  const identity = await readIdentity(db, session.widget, identityToken);
  const { token, hash } = createVisitorToken();
  const verify = async (tx: Transaction): Promise<void> => {
    const customerId = await proveCustomer(db, tx, session.id, identity);
    await lockSession(tx, session.id);
    await link(tx, session.id, customerId, identity, 'verified');
    await tx.query('update support.sessions set token_hash = $2 where id = $1', [session.id, hash]);
    await addEntry(tx, session.id, 'verified');
  };
  await repeatIfGone({}, () => db.transaction({}, verify));
  return { visitor_token: token, identity: 'verified' };
}

/**
 * An anonymous visitor gives an address. A visitor who gave one cannot give another in this conversation, only in a new one.
 *
 * @throws NotFound, InvalidEmail, InvalidField
 */
export async function identifyVisitor(
  db: PlatformDb,
  session: VisitorSession,
  claim: { email: string; name: string },
): Promise<void> {
  const who = readClaim(claim, false) as Identity;
  const identify = async (tx: Transaction): Promise<void> => {
    // Before the session is held: the delay of a message that waited for it would reveal how long this took.
    const customerId = await findCustomer(db, tx, session.id, who);
    await lockSession(tx, session.id);
    // The address counts as well: the session of an erased customer has no customer.
    const [known] = await tx.query(
      'select from support.sessions where id = $1 and (customer_id is not null or visitor_email is not null)',
      [session.id],
    );
    if (known) throw new InvalidField([{ field: 'email', message: 'was given before in this conversation' }]);
    await link(tx, session.id, customerId, who, 'claimed');
    await addEntry(tx, session.id, 'identified');
  };
  await repeatIfGone({}, () => db.transaction({}, identify));
}

async function link(
  tx: Transaction,
  sessionId: string,
  customerId: string | null,
  who: Identity,
  identity: 'claimed' | 'verified',
): Promise<void> {
  await tx.query(
    'update support.sessions set customer_id = $2, visitor_email = $3, visitor_name = $4, identity = $5 where id = $1',
    [sessionId, customerId, who.email, who.name, identity],
  );
}
