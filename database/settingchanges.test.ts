import type pg from 'pg';
import { beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { createTestDatabase } from './testing.ts';

/*
 * Every table is of settings, and its changes are recorded, or it is here with the reason why they are not. A column of a recorded table is
 * recorded, or it is here.
 */

const unrecorded: Record<string, string> = {
  'are records of customers and of work with them, which have their own history': `
    crm.activities crm.act_customers crm.acts crm.changes crm.contacts crm.custom_field_values crm.customer_order crm.customer_activity crm.customer_tags
    crm.deal_closings crm.deal_contacts crm.deals crm.handovers platform.companies platform.customer_emails platform.customer_external_ids
    platform.customer_phones platform.customers platform.files platform.file_chunks platform.notices support.calls support.messages
    support.ratings support.session_entries support.session_tags support.sessions`,
  'follow other tables': 'crm.former_stages platform.blob_removals',
  'are the record of an act already, with its author': `
    platform.setting_changes platform.legal_holds platform.erasures platform.erasure_jobs platform.erasure_job_places
    platform.erasure_acknowledgements platform.suppressions platform.merges platform.merge_fields platform.merge_moves
    platform.merge_suppressed platform.moves platform.removed_emails platform.removed_phones platform.review_candidates
    platform.review_decisions platform.sign_ins sync.operations sync.consumer_orders sync.alert_silences sync.bulk_runs sync.bulk_items`,
  'are written by migrations alone': `
    platform.inventory platform.inventory_tables platform.merge_references platform.migrations platform.person_sources
    sync.entities sync.health_sources`,
  'are keys that the database makes for itself': 'platform.cursor_key platform.suppression_key',
  'say what the environment of a process says, or what it does': `
    platform.mail_apps platform.mails platform.received_mails platform.failing_addresses platform.idempotency_keys support.limits
    sync.alert_targets sync.alert_turn sync.alert_states sync.alerts sync.alert_deliveries sync.attempts sync.causes sync.check_states
    sync.consumer_effects sync.consumers sync.counted_events sync.events sync.health sync.heartbeats sync.outbox sync.parked sync.readers sync.relay sync.rollup
    sync.sequencer sync.series sync.shares sync.webhook_attempts sync.quality_findings sync.quality_history sync.quality_numbers
    sync.quality_scans sync.match_keys sync.match_looks sync.match_model sync.match_walk`,
  'belong to an app’s code, and what operators do to them is in sync.operations': 'sync.subscriptions',
  'belong to one import': `
    staging.import_groups staging.import_lines sync.import_candidates sync.import_chunks sync.import_decisions sync.import_files
    sync.import_jobs sync.import_kept sync.import_keys sync.import_mappings sync.import_plan_answers sync.import_rows sync.import_runs
    sync.import_steps sync.import_targets sync.import_uploads sync.import_writes sync.queued_imports`,
};

const ignored: Record<string, string> = {
  'name and count a row': 'id version',
  'say when and by whom, which the record says': 'created_at created_by updated_at changed_at changed_by',
  'of users come from the directory, or are their numbers in the apps':
    'users.email users.name users.foundation_user_id users.support_user_id users.directory_tenant_id users.directory_object_id users.last_signed_in',
  'are noted by processes beside the setting': `
    agents.availability agents.last_seen_at agents.was_let_go team_members.assigned_at teams.members_at teams.clocks_at
    widgets.clocks_at webhooks.delivered_at webhooks.failing_since webhooks.failure webhooks.disabled_at webhooks.disabled_position
    webhooks.test_asked_at retention_rules.place_at retention_rules.place_id retention_rules.place_run
    retention_rules.round_ended_at retention_rules.removed_in_round`,
  'are the key, which never changes': `
    pipeline_stages.pipeline_id currencies.code currency_rates.currency report_settings.only_one privacy_settings.only_one
    agents.user_id widget_agents.widget_id widget_agents.agent_id widget_secrets.widget_id team_members.team_id team_members.agent_id
    sharing.what apps.name app_clients.client app_clients.app app_events.app app_events.type webhooks.name webhook_secrets.webhook
    retention_rules.kind health_limits.name`,
  'are written by migrations alone':
    'retention_rules.days_min retention_rules.days_max retention_rules.meaning health_limits.meaning',
};
const wordsOf = (lists: Record<string, string>) => Object.values(lists).flatMap((list) => list.trim().split(/\s+/));

let superuser: pg.Client;
let foundation: pg.Client;
let support: pg.Client;
let consoleApp: pg.Client;
beforeAll(async () => {
  const database = await createTestDatabase();
  superuser = await database.connect('postgres');
  foundation = await database.connect('foundation_app');
  support = await database.connect('support_app');
  consoleApp = await database.connect('console_app');
  await superuser.query(`insert into platform.users (id, email, name, role) values
    ('maya', 'maya@example.com', 'Maya Okafor', 'admin'), ('jon', 'jon@example.com', 'Jon Reyes', 'user')`);
});

describe('the tables of the house', () => {
  const triggersOf = async () =>
    (
      await superuser.query<{ relation: string; watched: string[]; columns: string[] }>(
        `select c.oid::regclass::text as relation,
           array(select attname::text from pg_attribute a where a.attrelid = c.oid and a.attnum = any (t.tgattr)) as watched,
           array(select attname::text from pg_attribute a where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped) as columns
         from pg_trigger t join pg_class c on c.oid = t.tgrelid where t.tgfoid = 'platform.note_setting'::regproc order by 1`,
      )
    ).rows;

  test('are recorded when they are settings, or have a reason why not, and none has both', async () => {
    const { rows } = await superuser.query<{ relation: string }>(
      `select c.oid::regclass::text as relation from pg_class c join pg_namespace n on n.oid = c.relnamespace
       where c.relkind in ('r', 'p') and not c.relispartition and n.nspname in ('crm', 'support', 'platform', 'sync', 'staging')`,
    );
    const recorded = (await triggersOf()).map(({ relation }) => relation);
    expect([...recorded, ...wordsOf(unrecorded)].sort()).toEqual(rows.map(({ relation }) => relation).sort());
  });

  test('are recorded with every column that is not named here with a reason', async () => {
    const known = wordsOf(ignored);
    const left = (await triggersOf()).flatMap(({ relation, watched, columns }) =>
      columns
        .filter((column) => !watched.includes(column))
        .filter((column) => !known.includes(column) && !known.includes(`${relation.split('.')[1]}.${column}`))
        .map((column) => `${relation}.${column}`),
    );
    expect(left).toEqual([]);
  });
});

type Recorded = { kind: string; change: string; before: object; after: object; hidden: string[]; actor: string | null };
const changes = async (on: pg.Client = superuser): Promise<Recorded[]> =>
  (
    await on.query(
      `select home, kind, key, name, part, part_name, change, before, after, hidden, actor, app, login, trace
       from platform.setting_changes order by id`,
    )
  ).rows;
beforeEach(async () => {
  await superuser.query('delete from platform.setting_changes');
});

test('a change by an app is recorded with its person, app, login and trace, before and after', async () => {
  await foundation.query(`begin; set local aether.actor = 'maya'; set local aether.trace = 'trace-1';
    insert into crm.tags (name) values ('VIP'); update crm.tags set name = 'Very important', colour = 'red' where name = 'VIP';
    delete from crm.tags; commit`);
  const by = {
    home: 'foundation',
    kind: 'tag',
    actor: 'maya',
    app: 'foundation',
    login: 'foundation_app',
    trace: 'trace-1',
  };
  expect(await changes()).toEqual([
    expect.objectContaining({
      ...by,
      change: 'created',
      name: 'VIP',
      before: {},
      after: { name: 'VIP', colour: 'grey' },
    }),
    expect.objectContaining({
      ...by,
      change: 'changed',
      name: 'Very important',
      before: { name: 'VIP', colour: 'grey' },
      after: { name: 'Very important', colour: 'red' },
    }),
    expect.objectContaining({ ...by, change: 'removed', before: { name: 'Very important', colour: 'red' }, after: {} }),
  ]);
});

test('a change by plain SQL is recorded with the login, and an update that changes nothing is not', async () => {
  await superuser.query(`update platform.users set role = 'steward' where id = 'jon'`);
  await superuser.query(`update platform.users set role = role, last_signed_in = now()`);
  expect(await changes()).toEqual([
    expect.objectContaining({
      kind: 'user',
      key: 'jon',
      name: 'Jon Reyes',
      actor: null,
      app: 'operator',
      login: 'postgres',
      before: { role: 'user' },
      after: { role: 'steward' },
    }),
  ]);
});

test('of a secret, and of an address beyond its host, it is recorded that they changed, and no value', async () => {
  await superuser.query(`
    insert into support.widgets (key, name) values ('widget-1', 'Shop');
    insert into support.widget_secrets (widget_id, secret) select id, repeat('s', 43) from support.widgets;
    insert into sync.webhooks (name, app, url, types) values
      ('support.w', 'support', 'https://u:hunter1@example.com/services/T0/hunter2?token=hunter3#hunter4', '{customer.created}');
    update sync.webhooks set url = 'https://example.com/services/T0/hunter5';
    update sync.webhooks set url = 'https://example.org:8443/services/T0/hunter5';
    insert into sync.webhook_secrets (webhook, secret) values ('support.w', 'whsec_' || repeat('s', 40));
    insert into crm.saved_views (owner_id, page, name, query, is_shared) values
      ('maya', 'customers', 'Ada', 'search=ada@example.com', true), ('maya', 'customers', 'Mine', 'search=bob', false)`);
  const found = await changes();
  expect(found.map(({ kind, hidden }) => [kind, hidden])).toEqual([
    ['widget', []],
    ['widget', ['secret']],
    ['webhook', []],
    ['webhook', ['url']],
    ['webhook', []],
    ['webhook', ['secret']],
    ['view', ['query']],
  ]);
  expect(JSON.stringify(found)).not.toMatch(/sss|hunter|token=|ada@/);
  expect(found[4]).toMatchObject({
    before: { url: 'https://example.com/…' },
    after: { url: 'https://example.org:8443/…' },
  });
  await superuser.query('delete from sync.webhooks; delete from support.widget_secrets; delete from crm.saved_views');
});

test('references are recorded as names, parts with what they belong to, and of an object only what differs', async () => {
  await superuser.query(`
    insert into support.agents (user_id) values ('jon');
    insert into support.teams (name) values ('Care');
    insert into support.widgets (key, name, settings) values ('widget-2', 'Blog', '{"language": "en", "ask": "never"}');
    delete from platform.setting_changes;
    update support.widgets set team_id = (select id from support.teams), settings = '{"language": "de", "ask": "never"}'
    where name = 'Blog';
    insert into support.team_members (team_id, agent_id, languages) select t.id, a.id, '{de}' from support.teams t, support.agents a;
    update support.team_members set assigned_at = now()`);
  expect(await changes()).toEqual([
    expect.objectContaining({
      kind: 'widget',
      name: 'Blog',
      part: null,
      before: { settings: { language: 'en' } },
      after: { team_id: 'Care', settings: { language: 'de' } },
    }),
    expect.objectContaining({
      kind: 'team',
      name: 'Care',
      part: 'member',
      part_name: 'Jon Reyes',
      after: { languages: ['de'] },
    }),
  ]);
});

test('what a view was called while nobody else saw it is not recorded, neither before it was shared nor after', async () => {
  await superuser.query(`
    insert into crm.saved_views (owner_id, page, name, query, is_shared) values ('maya', 'customers', 'Ada', 'search=ada', false);
    update crm.saved_views set name = 'Big ones', is_shared = true;
    update crm.saved_views set name = 'Large ones';
    update crm.saved_views set name = 'Ada again', is_shared = false;
    update crm.saved_views set name = 'Ada once more';
    delete from crm.saved_views`);
  const found = await changes();
  expect(found).toEqual([
    expect.objectContaining({ change: 'created', name: 'Big ones', before: {}, hidden: ['query'] }),
    expect.objectContaining({ change: 'changed', before: { name: 'Big ones' }, after: { name: 'Large ones' } }),
    expect.objectContaining({ change: 'removed', name: 'Large ones', after: {}, hidden: ['query'] }),
  ]);
  expect(JSON.stringify(found)).not.toContain('Ada');
});

test('what goes with a setting is recorded with the name that the setting had', async () => {
  await superuser.query(`
    insert into support.agents (user_id) values ('maya');
    insert into support.teams (name) values ('Night');
    insert into support.team_members (team_id, agent_id) select t.id, a.id from support.teams t, support.agents a
    where t.name = 'Night' and a.user_id = 'maya';
    delete from platform.setting_changes where change = 'created' and part is not null;
    delete from support.teams where name = 'Night'`);
  expect((await changes()).filter(({ change }) => change === 'removed')).toEqual([
    expect.objectContaining({ kind: 'team', name: 'Night', part: null }),
    expect.objectContaining({ kind: 'team', name: 'Night', part: 'member', part_name: 'Maya Okafor' }),
  ]);
});

test('a user who left is still named as one who changed something', async () => {
  await foundation.query(
    `begin; set local aether.actor = 'jon'; insert into crm.loss_reasons (name) values ('Unasked'); commit`,
  );
  await superuser.query(`update platform.users set left_at = now() where id = 'jon'`);
  const { rows } = await foundation.query(
    `select u.name from platform.setting_changes c join platform.users u on u.id = c.actor where c.kind = 'loss_reason'`,
  );
  expect(rows).toEqual([{ name: 'Jon Reyes' }]);
});

test('each app reads the changes of its own settings and no others', async () => {
  await superuser.query(`insert into crm.loss_reasons (name) values ('Unheard');
    insert into support.tags (name) values ('Refund');
    update platform.privacy_settings set two_people = not two_people`);
  const kinds = async (on: pg.Client) => (await changes(on)).map(({ kind }) => kind);
  expect(await kinds(foundation)).toEqual(['loss_reason']);
  expect(await kinds(support)).toEqual(['tag']);
  expect(await kinds(consoleApp)).toEqual(['privacy']);
});

test.each(['foundation_app', 'support_app', 'console_app'])(
  '%s can neither write, change nor delete a record',
  async (login) => {
    const on = { foundation_app: foundation, support_app: support, console_app: consoleApp }[login] as pg.Client;
    for (const attack of [
      `insert into platform.setting_changes (home, kind, key, change) values ('support', 'tag', '1', 'created')`,
      `update platform.setting_changes set actor = 'jon'`,
      'delete from platform.setting_changes',
      'truncate platform.setting_changes',
    ])
      await expect(on.query(attack)).rejects.toThrow('permission denied');
  },
);

test('what is older than the rule of its kind is removed, and younger records stay', async () => {
  await superuser.query(`insert into support.tags (name) values ('Old'), ('New');
    update platform.setting_changes set changed_at = now() - interval '731 days' where name = 'Old'`);
  await superuser.query(`update platform.retention_rules set round_ended_at = now() where kind <> 'setting_changes'`);
  await superuser.query('delete from platform.setting_changes where kind = $1', ['retention']);
  const { rows } = await superuser.query('select platform.apply_retention() as step');
  expect(rows[0].step).toEqual({ kind: 'setting_changes', rows: 1, ended: true });
  expect((await changes()).map((each) => (each as unknown as { name: string }).name)).toEqual(['New']);
});
