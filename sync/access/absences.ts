/** A right that is absent on purpose, and why. `login` is a name of a role; without it, the reason is the same for every app. */
type Absence = { table: string; columns?: string[]; verbs: Verb[]; role?: string; why: string };
export type Verb = 'select' | 'insert' | 'update' | 'delete';

const writes: Verb[] = ['insert', 'update', 'delete'];
const all: Verb[] = ['select', ...writes];

/** The comments of the migrations on absent grants, for those who ask why. The first that fits counts; a test tries each. */
export const absences: Absence[] = [
  {
    table: 'platform.apps',
    verbs: writes,
    why: 'Only the owner of the schema adds an app; an app is never removed, because its records carry its name.',
  },
  { table: 'platform.migrations', verbs: writes, why: 'Only the migrator writes what has run.' },
  {
    table: 'platform.users',
    columns: ['id', 'directory_tenant_id', 'directory_object_id', 'created_at'],
    verbs: writes,
    why: 'Only platform.sign_in_user makes a user and ties a directory account to it: an app that could do so could make anybody an administrator.',
  },
  {
    table: 'platform.users',
    columns: ['role', 'foundation_user_id'],
    verbs: ['update'],
    why: 'Foundation’s page of users sets the role.',
  },
  { table: 'platform.users', columns: ['support_user_id'], verbs: ['update'], why: 'Support owns this field.' },
  {
    table: 'platform.users',
    verbs: ['insert', 'delete'],
    why: 'Only platform.sign_in_user makes a user, and none is deleted: records name them.',
  },
  { table: 'platform.companies', verbs: ['delete'], why: 'The apps share a company: another one may refer to it.' },
  {
    table: 'platform.tiers',
    columns: ['key'],
    verbs: ['update'],
    why: 'The key never changes: what a customer has would change with it, without an event of the customer.',
  },
  { table: 'platform.tiers', verbs: writes, why: 'Administrators of Foundation edit the tiers; every app shows them.' },
  {
    table: 'platform.customers',
    columns: ['crm_id', 'account_tier', 'account_manager_id'],
    verbs: ['insert', 'update'],
    why: 'Foundation owns this field: it has one writer.',
  },
  {
    table: 'platform.customers',
    columns: ['support_id', 'preferred_language', 'timezone'],
    verbs: ['insert', 'update'],
    why: 'Support owns this field: it has one writer.',
  },
  {
    table: 'platform.customers',
    columns: ['created_by_app'],
    verbs: ['update'],
    why: 'A customer keeps the app of the login that made it, for ever.',
  },
  {
    table: 'platform.customers',
    columns: ['merged_into', 'erased_at'],
    verbs: ['insert', 'update'],
    why: 'A merge and an erasure are acts of their own, with a record.',
  },
  {
    table: 'platform.customers',
    verbs: ['delete'],
    why: 'A customer is never deleted. Who must be forgotten is erased.',
  },
  { table: 'platform.customers', verbs: ['insert', 'update'], why: 'The database gives ids, versions and times.' },
  {
    table: 'platform.customer_emails',
    verbs: writes,
    why: 'Functions write the addresses: an app that could do so itself could take another customer’s address.',
  },
  {
    table: 'platform.customer_phones',
    verbs: writes,
    why: 'Functions and a trigger write the numbers, so that each says who added it and when.',
  },
  {
    table: 'platform.customer_external_ids',
    verbs: writes,
    why: 'A trigger on customers writes the numbers of the apps.',
  },
  {
    table: 'platform.review_candidates',
    verbs: writes,
    why: 'The database finds candidates. A person decides about one through a function.',
  },
  { table: 'platform.removed_emails', verbs: all, why: 'Only the undo of a removal reads what was removed.' },
  { table: 'platform.removed_phones', verbs: all, why: 'Only the undo of a removal reads what was removed.' },
  {
    table: 'platform.cursor_key',
    verbs: writes,
    why: 'Every server must open the cursors that any of them has sealed.',
  },
  {
    table: 'crm.deals',
    columns: ['closed_at'],
    verbs: ['insert', 'update'],
    why: 'A deal is closed when its closing is recorded, whatever a statement says.',
  },
  {
    table: 'crm.deal_closings',
    verbs: writes,
    why: 'A closing is a record: the database fills in its author, its time and the tier before it.',
  },
  { table: 'crm.changes', verbs: ['update', 'delete'], why: 'This is a history.' },
  { table: 'crm.customer_order', verbs: writes, why: 'A trigger on customers keeps it.' },
  { table: 'crm.customer_activity', verbs: writes, why: 'A trigger on activities keeps it.' },
  { table: 'crm.currencies', verbs: writes, why: 'ISO decides, and a migration follows.' },
  {
    table: 'crm.activities',
    verbs: ['update', 'delete'],
    why: 'The timeline is a record. Support adds to it, and Foundation corrects its own activities.',
  },
  {
    table: 'crm.activities',
    columns: ['deal_id', 'created_by', 'created_at', 'created_by_login'],
    verbs: ['insert'],
    why: 'The database fills this in, so that nobody forges it.',
  },
  { table: 'support.messages', verbs: ['update', 'delete'], why: 'A conversation is a record.' },
  {
    table: 'support.session_entries',
    verbs: ['update', 'delete'],
    why: 'The entries are a record, as the messages are.',
  },
  { table: 'sync.outbox', verbs: all, why: 'Triggers write the events, so that nobody can forge one or lose one.' },
  { table: 'sync.events', verbs: writes, why: 'Only the sequencer writes the log.' },
  {
    table: 'sync.operations',
    verbs: writes,
    why: 'Acts are recorded by the functions that do them, and nobody changes a record.',
  },
];

/** Why a schema is closed to a role. */
const closedSchemas: Record<string, string> = {
  crm: 'Only Foundation and Support use the CRM’s tables. Support reads what the CRM knows of a customer through the view crm.customer_context.',
  support: 'What happens in a chat reaches the CRM as activities. Nobody but Support sees conversations.',
};

/** Why a login lacks a right, in a sentence; undefined if no migration says. Pure. */
export function explainAbsence(table: string, column: string | null, verb: Verb): string | undefined {
  const said = absences.find(
    (each) =>
      each.table === table &&
      each.verbs.includes(verb) &&
      (!each.columns || (column !== null && each.columns.includes(column))),
  );
  return said?.why ?? closedSchemas[table.split('.')[0] as string];
}
