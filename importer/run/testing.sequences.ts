import { deepStrictEqual } from 'node:assert/strict';
import type { TestDatabase } from '@aether/database/testing';
import type pg from 'pg';
import { applyImport } from './apply.ts';
import { person, planRows } from './testing.run.ts';
import { undoImport } from './undo.ts';

/*
 * Random sequences of merges, unmerges and everything that apps do with customers, beside a twin: a world in which nobody is ever merged.
 * The twin is a model, not a database. Each act is done to the database through the logins that do it, and to the twin's customer that it
 * belongs to: an edit to the customer that goes on, a chat with somebody's address to whom the address belongs, the note of a deal to the
 * customer of the deal. When all merges are taken back, in any order, each customer is as its twin is. A customer that nobody touched is
 * compared row by row, with all columns but versions and the times of changes.
 */

/** One actor's connections. Several actors work beside each other, each on customers of its own. */
export type Lane = Record<'foundation' | 'support' | 'console' | 'worker' | 'superuser', pg.Client> & {
  number: number;
};

export async function openLane(database: TestDatabase, number: number): Promise<Lane> {
  const [foundation, support, steward, worker, superuser] = await Promise.all(
    (['foundation_app', 'support_app', 'console_app', 'sync_app', 'postgres'] as const).map((login) =>
      database.connect(login),
    ),
  );
  await steward?.query(`set aether.actor = 'tom'`);
  return { number, foundation, support, console: steward, worker, superuser } as Lane;
}

type Twin = {
  id: string;
  name: string;
  timezone: string | null;
  language: string | null;
  tier: string | null;
  /** Canonical address → whether it is verified, in the order in which they came. */
  emails: Map<string, boolean>;
  email: string;
  phones: Set<string>;
  phone: string | null;
  values: Map<string, string>;
  /** Names of tables and ids of rows. */
  rows: Set<string>;
  isTouched: boolean;
  before: unknown;
};

type Unmerged = { kept: unknown[]; version: number; loserVersion: number };
type Merged = { id: string; survivor: string; loser: string };
type Done = {
  run: string;
  creates: string | null;
  made: string;
  writes: { customer: string; timezone: string } | null;
};

/** A sequence of acts that the seed decides, and its comparison. @returns what is wrong, an empty list if nothing is. */
export async function runSequence(lane: Lane, seed: number, acts = 14): Promise<{ problems: string[]; log: string[] }> {
  const world = new World(lane, seed);
  for (let n = 0; n < 4; n++) await world.create();
  for (let n = 0; n < acts; n++) await world.act();
  await world.unmergeAll();
  return { problems: await world.compare(), log: world.log };
}

let serial = 0;

class World {
  readonly log: string[] = [];
  readonly twins = new Map<string, Twin>();
  readonly merges: Merged[] = [];
  readonly runs: Done[] = [];
  private state: number;
  private readonly lane: Lane;

  constructor(lane: Lane, seed: number) {
    this.lane = lane;
    this.state = seed * 2_654_435_761;
  }

  private random(): number {
    this.state = (this.state + 0x6d2b79f5) | 0;
    let t = Math.imul(this.state ^ (this.state >>> 15), 1 | this.state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  }
  private pick<Value>(from: Iterable<Value>): Value | undefined {
    const all = [...from];
    return all[Math.floor(this.random() * all.length)];
  }
  private maybe = (chance: number): boolean => this.random() < chance;
  private fresh = (): number => ++serial * 64 + this.lane.number;
  private async one<Row>(client: pg.Client, sql: string, values: unknown[] = []): Promise<Row> {
    return (await client.query(sql, values)).rows[0] as Row;
  }
  private twin(id: string): Twin {
    return this.twins.get(id) as Twin;
  }
  /** The customer that goes on under this id. */
  private root(id: string): string {
    const merged = this.merges.find(({ loser }) => loser === id);
    return merged ? this.root(merged.survivor) : id;
  }
  private roots = (): string[] => [...this.twins.keys()].filter((id) => this.root(id) === id);
  /** The twins that are one customer in the database. */
  private group = (root: string): Twin[] => [...this.twins.values()].filter(({ id }) => this.root(id) === root);
  private ownerOf = (root: string, has: (twin: Twin) => boolean): Twin => this.group(root).find(has) as Twin;

  async create(): Promise<void> {
    const n = this.fresh();
    const number = `+4930${String(n).padStart(8, '0')}`;
    const twin: Twin = {
      id: '',
      name: `Name${n}`,
      timezone: this.maybe(0.5) ? `Zone${n}` : null,
      language: this.maybe(0.5) ? `en-x${n.toString(36)}` : null,
      tier: this.maybe(0.5) ? (this.pick(['free', 'basic', 'standard', 'premium', 'enterprise']) as string) : null,
      emails: new Map([[`m${n}@example.com`, false]]),
      email: `m${n}@example.com`,
      phones: new Set(this.maybe(0.6) ? [number] : []),
      phone: null,
      values: new Map(),
      rows: new Set(),
      isTouched: false,
      before: null,
    };
    twin.phone = [...twin.phones][0] ?? null;
    const { id } = await this.one<{ id: string }>(
      this.lane.superuser,
      `insert into platform.customers (email, name, phone, phone_key, timezone, preferred_language, account_tier, created_by_app)
       values ($1, $2, $3, $3, $4, $5, $6, $7) returning id`,
      [
        twin.email,
        twin.name,
        twin.phone,
        twin.timezone,
        twin.language,
        twin.tier,
        this.pick(['foundation', 'support']),
      ],
    );
    twin.id = id;
    this.twins.set(id, twin);
    await this.one(this.lane.superuser, `update platform.customers set crm_id = 100000 + $2 where id = $1`, [id, n]);
    if (this.maybe(0.5)) await this.addEmail(twin);
    if (this.maybe(0.4)) await this.addPhone(twin);
    for (const key of ['colour', 'size'])
      if (this.maybe(0.5)) await this.setValue(twin, key, `"${key}${this.fresh()}"`);
    await this.addDeal(twin);
    await this.addNote(twin);
    twin.isTouched = false;
    twin.before = await this.rowsOf(id);
  }

  async act(): Promise<void> {
    const root = this.pick(this.roots()) as string;
    const at = this.twin(root);
    const acts: [number, () => Promise<unknown>][] = [
      [5, () => this.merge()],
      [2, () => this.unmerge()],
      [2, () => this.edit(at)],
      [
        2,
        () =>
          this.setValue(at, this.pick(['colour', 'size']) as string, this.maybe(0.75) ? `"v${this.fresh()}"` : null),
      ],
      [1, () => this.addEmail(at)],
      [1, () => this.makePrimary(at)],
      [1, () => this.removeEmail(at)],
      [1, () => this.verify(root)],
      [1, () => this.addPhone(at)],
      [1, () => this.replacePhone(at)],
      [1, () => this.removePhone(at)],
      [1, () => this.addDeal(at)],
      [1, () => this.addNote(at)],
      [1, () => this.noteDeal(root)],
      [2, () => this.chat(root)],
      [1, () => this.call(root)],
      [1, () => this.importFor(root)],
      [1, () => this.undo()],
    ];
    let at_ = this.random() * acts.reduce((sum, [weight]) => sum + weight, 0);
    for (const [weight, act] of acts) {
      at_ -= weight;
      if (at_ < 0) return void (await act());
    }
  }

  private async merge(): Promise<void> {
    const [survivor, loser] = [this.pick(this.roots()) as string, this.pick(this.roots()) as string];
    if (survivor === loser) return;
    const choices = this.maybe(0.3) ? await this.choose(survivor, loser) : {};
    const { answer } = await this.one<{ answer: { merges: { merge: string }[] } }>(
      this.lane.console,
      'select platform.merge_customers($1, array[$2]::uuid[], $3) as answer',
      [survivor, loser, JSON.stringify(choices)],
    );
    this.merges.push({ id: answer.merges[0]?.merge as string, survivor, loser });
    this.say('merge', loser, 'into', survivor, JSON.stringify(choices));
  }

  /** Chooses of some fields that both have the loser's. */
  private async choose(survivor: string, loser: string): Promise<Record<string, string>> {
    const { preview } = await this.one<{ preview: { fields: { field: string; survivor: unknown; loser: unknown }[] } }>(
      this.lane.console,
      'select platform.preview_merge($1, $2) as preview',
      [survivor, loser],
    );
    const both = preview.fields.filter((each) => each.survivor && each.loser && !/^(crm|support)_id$/.test(each.field));
    return Object.fromEntries(both.filter(() => this.maybe(0.5)).map(({ field }) => [field, 'loser']));
  }

  private async unmerge(merged = this.pick(this.merges)): Promise<void> {
    if (!merged) return;
    const { preview } = await this.one<{ preview: object }>(
      this.lane.console,
      'select platform.preview_unmerge($1) as preview',
      [merged.id],
    );
    const { answer } = await this.one<{ answer: Unmerged }>(
      this.lane.console,
      'select platform.unmerge_customers($1) as answer',
      [merged.id],
    );
    this.merges.splice(this.merges.indexOf(merged), 1);
    const { version: _, loserVersion: __, ...report } = answer;
    deepStrictEqual(
      preview,
      { ...report, refused: null },
      `the preview of the unmerge of ${merged.loser} says something else`,
    );
    this.say('unmerge', merged.loser, 'from', merged.survivor, JSON.stringify(answer.kept));
  }

  async unmergeAll(): Promise<void> {
    while (this.merges.length > 0) await this.unmerge();
  }

  private async edit(at: Twin): Promise<void> {
    const field = this.pick(['name', 'timezone', 'preferred_language']) as string;
    const n = this.fresh();
    const value =
      field === 'name'
        ? `Edited${n}`
        : this.maybe(0.3)
          ? null
          : field === 'timezone'
            ? `Edited${n}`
            : `de-x${n.toString(36)}`;
    const { was } = await this.one<{ was: string | null }>(
      this.lane.superuser,
      `select ${field} as was from platform.customers where id = $1`,
      [at.id],
    );
    if (was === value) return;
    const client = field === 'name' ? this.lane.foundation : this.lane.support;
    await client.query(`update platform.customers set ${field} = $2 where id = $1`, [at.id, value]);
    if (field === 'name') at.name = value as string;
    else if (field === 'timezone') at.timezone = value;
    else at.language = value;
    this.touch(at, 'edit', field, String(value));
  }

  private async setValue(at: Twin, key: string, value: string | null): Promise<void> {
    if (value === null)
      await this.lane.foundation.query(
        'delete from crm.custom_field_values where customer_id = $1 and field_key = $2',
        [at.id, key],
      );
    else
      await this.lane.foundation.query(
        `insert into crm.custom_field_values (field_id, customer_id, value)
         select id, $1, $3 from crm.custom_fields where key = $2
         on conflict (field_id, customer_id) do update set value = excluded.value`,
        [at.id, key, value],
      );
    if (value === null) at.values.delete(key);
    else at.values.set(key, JSON.parse(value) as string);
    this.touch(at, 'value', key, String(value));
  }

  private async addEmail(at: Twin): Promise<void> {
    const email = `other${this.fresh()}@example.com`;
    await this.lane.foundation.query('select platform.add_address($1, $2, $2)', [at.id, email]);
    at.emails.set(email, false);
    this.touch(at, 'add', email);
  }

  /** An address of the customer's own: to make one of somebody else's the primary one is a question that the unmerge asks. */
  private async makePrimary(at: Twin): Promise<void> {
    const email = this.maybe(0.3)
      ? `new${this.fresh()}@example.com`
      : (this.pick(at.emails.keys()) as string | undefined);
    if (email === undefined || (await this.primaryOf(at.id)) === email) return;
    await this.lane.foundation.query('update platform.customers set email = $2 where id = $1', [at.id, email]);
    if (isMark(at.email)) at.emails.delete(at.email);
    if (!at.emails.has(email)) at.emails.set(email, false);
    at.email = email;
    this.touch(at, 'primary', email);
  }

  private async removeEmail(at: Twin): Promise<void> {
    const { rows } = await this.lane.foundation.query<{ id: string; email: string }>(
      'select id, email from platform.customer_emails where customer_id = $1 and not is_primary',
      [at.id],
    );
    const known = this.pick(rows);
    if (!known) return;
    const owner = this.ownerOf(at.id, (twin) => twin.emails.has(known.email));
    await this.lane.foundation.query('select platform.remove_address($1, $2)', [at.id, known.id]);
    owner.emails.delete(known.email);
    if (owner.email === known.email) owner.email = nextEmail(owner);
    this.touch(owner, 'remove', known.email);
    owner.rows.add(`platform.removed_emails ${known.id}`);
  }

  private async verify(root: string): Promise<void> {
    const { rows } = await this.lane.foundation.query<{ email: string }>(
      `select email from platform.customer_emails where customer_id = $1 and verified_at is null and email not like '%.invalid'`,
      [root],
    );
    const known = this.pick(rows);
    if (!known) return;
    const owner = this.ownerOf(root, (twin) => twin.emails.has(known.email));
    await this.lane.superuser.query(
      `update platform.customer_emails set verified_at = now(), verified_by = 'signed_identity' where email_key = $1`,
      [known.email],
    );
    owner.emails.set(known.email, true);
    this.touch(owner, 'verify', known.email);
  }

  private async addPhone(at: Twin): Promise<void> {
    const number = `+4940${String(this.fresh()).padStart(8, '0')}`;
    await this.lane.foundation.query('select platform.add_phone($1, $2, $2, null)', [at.id, number]);
    at.phones.add(number);
    at.phone ??= number;
    this.touch(at, 'add', number);
  }

  private async replacePhone(at: Twin): Promise<void> {
    const number = `+4950${String(this.fresh()).padStart(8, '0')}`;
    const { phone } = await this.one<{ phone: string | null }>(
      this.lane.foundation,
      'select phone from platform.customers where id = $1',
      [at.id],
    );
    await this.lane.foundation.query('update platform.customers set phone = $2, phone_key = $2 where id = $1', [
      at.id,
      number,
    ]);
    if (phone !== null) at.phones.delete(phone);
    at.phones.add(number);
    at.phone = number;
    this.touch(at, 'replace', String(phone), 'by', number);
  }

  private async removePhone(at: Twin): Promise<void> {
    const { rows } = await this.lane.foundation.query<{ id: string; phone: string }>(
      'select id, phone from platform.customer_phones where customer_id = $1 and not is_primary',
      [at.id],
    );
    const known = this.pick(rows);
    if (!known) return;
    const owner = this.ownerOf(at.id, (twin) => twin.phones.has(known.phone));
    await this.lane.foundation.query('select platform.remove_phone($1, $2)', [at.id, known.id]);
    owner.phones.delete(known.phone);
    if (owner.phone === known.phone) owner.phone = [...owner.phones][0] ?? null;
    this.touch(owner, 'remove', known.phone);
    owner.rows.add(`platform.removed_phones ${known.id}`);
  }

  private async addDeal(at: Twin): Promise<void> {
    const { id } = await this.one<{ id: number }>(
      this.lane.foundation,
      `insert into crm.deals (customer_id, pipeline_id, stage_id, name) values ($1, 1, 1, 'Deal') returning id`,
      [at.id],
    );
    at.rows.add(`crm.deals ${id}`);
    this.touch(at, 'deal', String(id));
  }

  private async addNote(at: Twin): Promise<void> {
    const { id } = await this.one<{ id: string }>(
      this.lane.foundation,
      `insert into crm.activities (customer_id, type, description) values ($1, 'note', 'Hello') returning id`,
      [at.id],
    );
    at.rows.add(`crm.activities ${id}`);
    this.touch(at, 'note', id);
  }

  private async noteDeal(root: string): Promise<void> {
    const deal = this.pick(
      this.group(root).flatMap(({ rows }) => [...rows].filter((row) => row.startsWith('crm.deals '))),
    );
    if (!deal) return;
    const owner = this.ownerOf(root, ({ rows }) => rows.has(deal));
    const { id } = await this.one<{ id: string }>(
      this.lane.foundation,
      `insert into crm.activities (customer_id, deal_id, type, description) values ($1, $2, 'note', 'Of a deal') returning id`,
      [root, deal.split(' ')[1]],
    );
    await this.lane.foundation.query(`update crm.deals set name = 'Renamed', stage_id = 1 where id = $1`, [
      deal.split(' ')[1],
    ]);
    owner.rows.add(`crm.activities ${id}`);
    this.touch(owner, 'note of', deal, id);
  }

  private async chat(root: string): Promise<void> {
    const email = this.pick(
      this.group(root)
        .flatMap(({ emails }) => [...emails.keys()])
        .filter((each) => !isMark(each)),
    );
    if (!email) return;
    const owner = this.ownerOf(root, (twin) => twin.emails.has(email));
    const { id } = await this.one<{ id: string }>(
      this.lane.support,
      `insert into support.sessions (widget_id, customer_id, visitor_email, token_hash)
       select w.id, e.customer_id, $1, sha256(uuid_send(gen_random_uuid())) from support.widgets w, platform.customer_emails e
       where e.email_key = $1 limit 1 returning id`,
      [email],
    );
    const note = await this.one<{ id: string }>(
      this.lane.support,
      `insert into crm.activities (customer_id, type, description, idempotency_key) values ($1, 'support_chat', 'Chat', $2) returning id`,
      [root, `session:${id}`],
    );
    owner.rows.add(`support.sessions ${id}`).add(`crm.activities ${note.id}`);
    this.touch(owner, 'chat', email, id);
  }

  private async call(root: string): Promise<void> {
    const number = this.pick(this.group(root).flatMap(({ phones }) => [...phones]));
    if (!number) return;
    const owner = this.ownerOf(root, (twin) => twin.phones.has(number));
    const { id } = await this.one<{ id: string }>(
      this.lane.support,
      `insert into support.calls (customer_id, direction, number_e164, started_at) values ($1, 'inbound', $2, now()) returning id`,
      [root, number],
    );
    owner.rows.add(`support.calls ${id}`);
    this.touch(owner, 'call', number, id);
  }

  /** A line with an address of the customer, which fills the time zone, or with a new one, which makes a customer. */
  private async importFor(root: string): Promise<void> {
    const n = this.fresh();
    const isNew = this.maybe(0.4);
    const at = this.twin(root);
    const email = isNew ? `imported${n}@example.com` : await this.primaryOf(root);
    if (isMark(email)) return;
    const timezone = `Import${n}`;
    const { run } = await planRows(
      this.lane.worker,
      [person(2, { email, timezone, ...(isNew && { name: `Imported${n}` }) })],
      {
        source: `list-${n}`,
      },
    );
    await applyImport(this.lane.worker, run);
    const found = await this.one<{ id: string; timezone: string }>(
      this.lane.superuser,
      'select c.id, c.timezone from platform.customer_emails e join platform.customers c on c.id = e.customer_id where e.email_key = $1',
      [email],
    );
    if (isNew) {
      const before = await this.rowsOf(found.id);
      const made = { name: `Imported${n}`, timezone, language: null, tier: null, phone: null, email };
      const empty = {
        emails: new Map([[email, false]]),
        phones: new Set<string>(),
        values: new Map(),
        rows: new Set<string>(),
      };
      this.twins.set(found.id, { ...made, ...empty, id: found.id, isTouched: false, before });
    } else if (found.timezone === timezone) {
      at.timezone = timezone;
      at.isTouched = true;
    }
    const writes = !isNew && found.timezone === timezone ? { customer: found.id, timezone } : null;
    this.runs.push({ run, creates: isNew ? found.id : null, made: `Imported${n} ${timezone} ${email},false`, writes });
    this.say('import', run, isNew ? 'creates' : 'fills', found.id, found.timezone);
  }

  /** What the undo leaves, because it was touched or is merged now, the twin keeps as well; a later undo may take it. */
  private async undo(): Promise<void> {
    const done = this.pick(this.runs);
    if (!done) return;
    await undoImport(this.lane.worker, done.run);
    const { creates, writes } = done;
    if (creates && this.twins.has(creates)) {
      const { rows } = await this.lane.superuser.query('select from platform.customers where id = $1', [creates]);
      if (rows.length === 0) {
        const { name, timezone, emails, phones, values, rows: owned } = this.twin(creates);
        const isAsMade =
          `${name} ${timezone} ${[...emails]}` === done.made && phones.size + values.size + owned.size === 0;
        if (this.root(creates) !== creates || !isAsMade || this.group(creates).length > 1)
          throw new Error(`the undo removed ${creates}, which was touched or merged`);
        this.twins.delete(creates);
      } else if (this.root(creates) === creates && !this.twin(creates).isTouched && this.group(creates).length === 1)
        throw new Error(`the undo kept ${creates}, which nobody has touched`);
    }
    if (writes && this.twins.has(writes.customer)) {
      const at = this.twin(writes.customer);
      const isFree = this.root(at.id) === at.id;
      const { timezone } = await this.one<{ timezone: string | null }>(
        this.lane.superuser,
        'select timezone from platform.customers where id = $1',
        [at.id],
      );
      if (isFree && at.timezone === writes.timezone && timezone === null) at.timezone = null;
    }
    this.say('undo', done.run);
  }

  private primaryOf = async (id: string): Promise<string> =>
    (await this.one<{ email: string }>(this.lane.superuser, 'select email from platform.customers where id = $1', [id]))
      .email;

  private touch(twin: Twin, ...words: string[]): void {
    twin.isTouched = true;
    this.say(words[0] as string, twin.id, ...words.slice(1));
  }
  private say(...words: string[]): void {
    this.log.push(words.join(' '));
  }

  /** Every row of a customer, with all columns but versions and the times of changes. */
  private async rowsOf(id: string): Promise<unknown> {
    return (await this.one<{ rows: unknown }>(this.lane.superuser, rowsOfCustomer, [id])).rows;
  }

  async compare(): Promise<string[]> {
    const problems: string[] = [];
    for (const twin of this.twins.values()) {
      const { found } = await this.one<{ found: Found }>(this.lane.superuser, readCustomer, [twin.id]);
      // A customer without a primary address may have got one of its others, which is only better.
      if (isMark(twin.email) && twin.emails.has(found.email)) twin.email = found.email;
      const expected: Found = {
        name: twin.name,
        timezone: twin.timezone,
        language: twin.language,
        tier: twin.tier,
        email: isMark(twin.email) ? 'none' : twin.email,
        emails: [...twin.emails]
          .filter(([email]) => !isMark(email))
          .map(([email, isVerified]) => `${email} ${isVerified} ${email === twin.email}`)
          .sort(),
        phone: twin.phone,
        phones: [...twin.phones].map((phone) => `${phone} ${phone === twin.phone}`).sort(),
        values: [...twin.values].map(([key, value]) => `${key} ${value}`).sort(),
        rows: [...twin.rows].sort(),
        merged_into: null,
        is_listed: true,
      };
      const actual = { ...found, email: isMark(found.email) ? 'none' : found.email };
      for (const field of Object.keys(expected) as (keyof Found)[])
        if (JSON.stringify(actual[field]) !== JSON.stringify(expected[field]))
          problems.push(
            `${twin.id} ${field}: ${JSON.stringify(actual[field])} in place of ${JSON.stringify(expected[field])}`,
          );
      if (!twin.isTouched) {
        const now = await this.rowsOf(twin.id);
        if (JSON.stringify(now) !== JSON.stringify(twin.before))
          problems.push(`${twin.id} untouched: ${JSON.stringify(now)} in place of ${JSON.stringify(twin.before)}`);
      }
    }
    return problems;
  }
}

const isMark = (email: string): boolean => email.endsWith('.invalid');

/** As the database chooses: a verified one first, then the newest. */
function nextEmail({ emails, id }: Twin): string {
  const all = [...emails].reverse();
  return (
    (all.find(([, isVerified]) => isVerified) ?? all[0])?.[0] ?? `no-address-${id.replaceAll('-', '')}@unknown.invalid`
  );
}

type Found = {
  name: string;
  timezone: string | null;
  language: string | null;
  tier: string | null;
  email: string;
  emails: string[];
  phone: string | null;
  phones: string[];
  values: string[];
  rows: string[];
  merged_into: string | null;
  is_listed: boolean;
};

const readCustomer = `
  select jsonb_build_object('name', c.name, 'timezone', c.timezone, 'language', c.preferred_language, 'tier', c.account_tier,
    'email', c.email, 'phone', c.phone, 'merged_into', c.merged_into,
    'is_listed', (select (o.account_tier, o.updated_at) = (coalesce(c.account_tier, '~'), c.updated_at) from crm.customer_order o
      where o.customer_id = c.id),
    'emails', array(
      select (e.email || ' ' || (e.verified_at is not null) || ' ' || e.is_primary) collate "C" from platform.customer_emails e
      where e.customer_id = c.id and e.email not like '%.invalid' order by 1),
    'phones', array(
      select (p.phone || ' ' || p.is_primary) collate "C" from platform.customer_phones p where p.customer_id = c.id order by 1),
    'values', array(select (v.field_key || ' ' || (v.value #>> '{}')) collate "C" from crm.custom_field_values v
      where v.customer_id = c.id order by 1),
    'rows', array(
      select ('crm.deals ' || d.id) collate "C" as row from crm.deals d where d.customer_id = c.id
      union all select 'crm.activities ' || a.id from crm.activities a where a.customer_id = c.id
      union all select 'support.sessions ' || s.id from support.sessions s where s.customer_id = c.id
      union all select 'support.calls ' || k.id from support.calls k where k.customer_id = c.id
      union all select 'platform.removed_emails ' || r.id from platform.removed_emails r where r.customer_id = c.id
      union all select 'platform.removed_phones ' || r.id from platform.removed_phones r where r.customer_id = c.id
      order by 1)) as found
  from platform.customers c where c.id = $1`;

const rowsOfCustomer = `
  select jsonb_build_array(
    (select to_jsonb(c) - '{version,updated_at}'::text[] from platform.customers c where c.id = $1),
    array(select to_jsonb(e) from platform.customer_emails e where e.customer_id = $1 order by e.email_key),
    array(select to_jsonb(p) from platform.customer_phones p where p.customer_id = $1 order by p.id),
    array(select to_jsonb(x) from platform.customer_external_ids x where x.customer_id = $1 order by x.app, x.external_id),
    array(select to_jsonb(v) - 'updated_at' from crm.custom_field_values v where v.customer_id = $1 order by v.id),
    array(select to_jsonb(d) from crm.deals d where d.customer_id = $1 order by d.id),
    array(select to_jsonb(a) from crm.activities a where a.customer_id = $1 order by a.id),
    array(select to_jsonb(s) from support.sessions s where s.customer_id = $1 order by s.id)) as rows`;
