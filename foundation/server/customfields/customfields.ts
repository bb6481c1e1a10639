import { InvalidField, NotFound, PlatformError, type Queryable, type Transaction } from '@aether/platform';

export const fieldRecords = ['customer', 'company', 'deal'] as const;
export const fieldTypes = ['text', 'number', 'date', 'choice', 'checkbox'] as const;
export type FieldRecord = (typeof fieldRecords)[number];

/** A field that the organisation has added to a kind of record. */
export type CustomField = {
  id: number;
  record: FieldRecord;
  /** Its name in the interface; never changes. */
  key: string;
  label: string;
  type: (typeof fieldTypes)[number];
  choices: string[];
  is_required: boolean;
  position: number;
};
export type NewCustomField = Omit<CustomField, 'id' | 'position'>;
export type CustomValue = string | number | boolean;
/** Values by key. */
export type CustomValues = Record<string, CustomValue>;
/** Values by key; null removes a value. */
export type CustomChange = Record<string, CustomValue | null>;

/** A record has the choice that is to be removed: change that record first. */
export class ChoiceInUse extends PlatformError {
  constructor(cause: unknown) {
    super('choice-in-use', 409, 'A choice that is taken away is still chosen somewhere. Change those records first.', {
      cause,
    });
  }
}

const fieldsMax = 100;
/** The limit of a number, above and below zero. JavaScript keeps all whole numbers up to it exactly. */
export const numberMax = 1e15;
const columns = 'f.id, f.record, f.key, f.label, f.type, f.choices, f.is_required, f.position';

/** SQL for the values of one record, as { key: value }. @param id an SQL expression for the record's id */
export const customValues = (record: FieldRecord, id: string) =>
  `(select coalesce(jsonb_object_agg(f.key, v.value), '{}') from crm.custom_field_values v join crm.custom_fields f on f.id = v.field_id
    where v.${record}_id = ${id})`;

export async function listCustomFields(on: Queryable, record?: FieldRecord): Promise<CustomField[]> {
  return on.query<CustomField>(
    `select ${columns} from crm.custom_fields f where $1::text is null or f.record = $1 order by f.record, f.position, f.id`,
    [record ?? null],
  );
}

/** @throws AlreadyExists for a key that this kind of record has; InvalidField */
export async function createCustomField(tx: Transaction, field: NewCustomField): Promise<CustomField> {
  checkChoices(field.type, field.choices);
  await tx.query('lock table crm.custom_fields in share row exclusive mode'); // two new fields at once must get different positions
  const [made] = await tx.query<CustomField>(
    `insert into crm.custom_fields as f (record, key, label, type, choices, is_required, position)
     select $1, $2, $3, $4, $5, $6, count(*) from crm.custom_fields where record = $1 having count(*) < ${fieldsMax} returning ${columns}`,
    [field.record, field.key, field.label, field.type, field.choices, field.is_required],
  );
  if (!made) throw new InvalidField([{ field: 'record', message: `has ${fieldsMax} fields already` }]);
  return made;
}

/** @throws NotFound, InvalidField, ChoiceInUse */
export async function updateCustomField(
  tx: Transaction,
  id: number,
  change: { label?: string; choices?: string[]; is_required?: boolean; position?: number },
): Promise<CustomField> {
  const [field] = await tx.query<CustomField>(`select ${columns} from crm.custom_fields f where f.id = $1 for update`, [
    id,
  ]);
  if (!field) throw new NotFound('custom field');
  if (change.choices) checkChoices(field.type, change.choices);
  const [updated] = await tx
    .query<CustomField>(
      `update crm.custom_fields f set label = coalesce($2, f.label), choices = coalesce($3, f.choices),
         is_required = coalesce($4, f.is_required), position = coalesce($5, f.position) where f.id = $1 returning ${columns}`,
      [id, change.label, change.choices, change.is_required, change.position],
    )
    .catch((error) => {
      throw isRefusedBy(error, 'custom_field_choice_used') ? new ChoiceInUse(error) : error;
    });
  return updated as CustomField;
}

/** Removes a field with its values. @returns the number of values; with `isDryRun` nothing is removed. @throws NotFound */
export async function removeCustomField(
  tx: Transaction,
  id: number,
  { isDryRun }: { isDryRun: boolean },
): Promise<number> {
  const [field] = await tx.query('select from crm.custom_fields where id = $1 for update', [id]);
  if (!field) throw new NotFound('custom field');
  const [{ values } = { values: 0 }] = await tx.query<{ values: number }>(
    'select count(*)::integer as values from crm.custom_field_values where field_id = $1',
    [id],
  );
  if (!isDryRun) await tx.query('delete from crm.custom_fields where id = $1', [id]);
  return values;
}

/**
 * Writes values of a record's custom fields and raises the record's version.
 *
 * @param options.isNew the record is being made: every required field must be given.
 * @throws InvalidField naming `custom.<key>`
 */
export async function writeCustomValues(
  tx: Transaction,
  record: FieldRecord,
  id: string | number,
  change: CustomChange = {},
  { isNew = false } = {},
): Promise<void> {
  if (!isNew && Object.keys(change).length === 0) return;
  const fields = new Map((await listCustomFields(tx, record)).map((field) => [field.key, field]));
  const errors = Object.entries(change).flatMap(([key, value]) => checkValue(fields.get(key), key, value));
  const missing = isNew
    ? [...fields.values()].filter(({ key, is_required }) => is_required && change[key] === undefined)
    : [];
  errors.push(...missing.map(({ key }) => ({ field: `custom.${key}`, message: 'is required' })));
  if (errors.length > 0) throw new InvalidField(errors);
  const column = `${record}_id`;
  for (const [key, value] of Object.entries(change)) {
    const { id: fieldId } = fields.get(key) as CustomField;
    if (value === null)
      await tx.query(`delete from crm.custom_field_values where field_id = $1 and ${column} = $2`, [fieldId, id]);
    else
      await tx.query(
        `insert into crm.custom_field_values (field_id, ${column}, value) values ($1, $2, $3)
         on conflict (field_id, ${column}) do update set value = excluded.value`,
        [fieldId, id, JSON.stringify(value)],
      );
  }
}

function checkValue(
  field: CustomField | undefined,
  key: string,
  value: CustomValue | null,
): { field: string; message: string }[] {
  const refuse = (message: string) => [{ field: `custom.${key}`, message }];
  if (!field) return refuse('is no custom field of this kind of record');
  if (value === null) return field.is_required ? refuse('is required') : [];
  switch (field.type) {
    case 'text':
      return typeof value === 'string' && value.trim() !== '' && value.length <= 2_000
        ? []
        : refuse('must be text of at most 2000 characters');
    case 'number':
      return typeof value === 'number' && Math.abs(value) <= numberMax
        ? []
        : refuse('must be a number from -1e15 to 1e15');
    case 'checkbox':
      return typeof value === 'boolean' ? [] : refuse('must be true or false');
    case 'choice':
      return field.choices.includes(String(value)) ? [] : refuse(`must be one of ${field.choices.join(', ')}`);
    case 'date':
      return typeof value === 'string' && isDay(value) ? [] : refuse('must be a date such as 2026-01-31');
  }
}

function isDay(value: string): boolean {
  const time = /^\d{4}-\d{2}-\d{2}$/.test(value) ? Date.parse(`${value}T00:00:00Z`) : Number.NaN;
  return !Number.isNaN(time) && new Date(time).toISOString().startsWith(value) && !value.startsWith('0000');
}

function checkChoices(type: CustomField['type'], choices: string[]): void {
  if (type === 'choice' && choices.length === 0)
    throw new InvalidField([{ field: 'choices', message: 'must name at least one choice' }]);
  if (type !== 'choice' && choices.length > 0)
    throw new InvalidField([{ field: 'choices', message: 'are for fields of the type choice' }]);
  if (new Set(choices).size < choices.length) throw new InvalidField([{ field: 'choices', message: 'must differ' }]);
}

const isRefusedBy = (error: unknown, constraint: string) =>
  error instanceof Error && (error.cause as { constraint?: string } | undefined)?.constraint === constraint;
