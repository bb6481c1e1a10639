import { InvalidField, type Parameter, PlatformError, type Queryable } from '@aether/platform';
import { type CustomField, listCustomFields } from '../customfields/customfields.ts';
import { type Priced, readPriced } from '../deals/priced.ts';
import {
  type MatchMode,
  matchCompanyOf,
  matchCustom,
  matchDeals,
  matchLastActivity,
  matchTag,
  testCustom,
  testLastActivity,
  writeOnRow,
} from './conditionmatch.ts';

/*
 * A filter of conditions, as the address of a list and a saved view hold it: { match, conditions }, where a condition is { field, op, value }
 * or a group { match, conditions } of conditions. `match` is "all" or "any". Groups are one level deep: "premium, and either large or
 * without activity" and "large and neglected, or without a manager" can both be said.
 *
 * A filter outlives what it names: a custom field, a choice, a stage or a tag may be removed after a view was saved. Such a filter is refused
 * with each condition that is concerned. Dropping the condition would show customers that nobody asked for, and keeping it would show none.
 */

export type Conditions = {
  /** The filter as SQL over a customer `c`. */
  write: (parameter: Parameter, mode: MatchMode) => string;
  /**
   * What it says of the rows by which a list is sorted, so that their index answers it as well.
   *
   * @param of `custom.<key>` with values `v`, or `last_activity` with rows `k`.
   */
  writeOnRows: (of: string, parameter: Parameter) => string;
};

/** The text of a filter, and at most so many conditions in it. */
export const whereMax = { characters: 4_000, conditions: 30 };

/** The filter or the order names what is not there any more. */
export class FilterOutdated extends PlatformError {
  constructor(gone: { field: string; message: string }[]) {
    super(
      'filter-outdated',
      422,
      `It names what is not there any more: ${gone.map(({ message }) => message).join('; ')}. Take that away, or choose something else.`,
      { fields: gone },
    );
  }
}

type Shape = 'nothing' | 'text' | 'number' | 'numbers' | 'day' | 'days' | 'span' | 'moment' | 'words' | 'ids';

const ofList = { any_of: 'words', none_of: 'words', empty: 'nothing', not_empty: 'nothing' } as const;
const ofMoment = { within: 'span', before: 'moment', since: 'moment' } as const;

/** What can be asked of each kind of field, and what the value is then. */
export const operators = {
  text: { is: 'text', is_not: 'text', contains: 'text', contains_not: 'text', empty: 'nothing', not_empty: 'nothing' },
  number: { is: 'number', over: 'number', under: 'number', between: 'numbers', empty: 'nothing', not_empty: 'nothing' },
  date: { is: 'day', before: 'day', after: 'day', between: 'days', empty: 'nothing', not_empty: 'nothing' },
  choice: ofList,
  checkbox: { yes: 'nothing', no: 'nothing' },
  last_activity: { none_for: 'span', never: 'nothing', ...ofMoment },
  open_deal: { some: 'nothing', none: 'nothing', stage: 'ids', over: 'number', under: 'number' },
  tier: ofList,
  manager: ofList,
  company: ofList,
  tag: { any_of: 'ids', none_of: 'ids', empty: 'nothing', not_empty: 'nothing' },
  app: { any_of: 'words' },
  created: ofMoment,
  updated: ofMoment,
} as const satisfies Record<string, Record<string, Shape>>;

type Kind = keyof typeof operators;
type FixedKind = Exclude<Kind, CustomField['type']>;
const fixedKinds = (Object.keys(operators) as Kind[]).filter(
  (kind): kind is FixedKind => !['text', 'number', 'date', 'choice', 'checkbox'].includes(kind),
);

/** A condition whose value has the shape that its operator takes. */
type Condition = { path: string; kind: Kind; op: string; value: unknown; custom?: CustomField };
type Group = { match: 'all' | 'any'; conditions: (Condition | Group)[] };

/** The description of the parameter, for whoever calls by HTTP. */
export const describeWhere = `Conditions as JSON: \`{"match":"all","conditions":[…]}\`, \`match\` being \`all\` or \`any\`. A condition is \
\`{"field":"tier","op":"any_of","value":["premium"]}\`, or a group of conditions, written as the whole. At most ${whereMax.conditions} \
conditions, and no group within a group. The fields and their operators: \`custom.<key>\` by the type of the custom field \
(${(['text', 'number', 'date', 'choice', 'checkbox'] as const)
  .map((type) => `${type}: ${Object.keys(operators[type]).join(', ')}`)
  .join('; ')}); ${fixedKinds.map((kind) => `\`${kind}\`: ${Object.keys(operators[kind]).join(', ')}`).join('; ')}. \
A filter that names what was removed since is refused with \`filter-outdated\`, and each such condition is named by its path, as \
\`where.1\` or \`where.1.0\`, and of one on several values each such value, as \`where.1.value.0\`.`;

/**
 * Reads a filter.
 *
 * @returns `needsDeals`: it tells more of deals than the customer's context does, so a machine needs `deals.read`.
 * @throws InvalidField for what is no filter; FilterOutdated
 */
export async function readConditions(
  on: Queryable,
  where: string,
): Promise<{ conditions: Conditions; needsDeals: boolean }> {
  const fields = await listCustomFields(on, 'customer');
  const gone: { field: string; message: string }[] = [];
  const whole = readGroup(parse(where), 'where', new Map(fields.map((field) => [field.key, field])), gone);
  const all = flatten(whole);
  if (all.length > whereMax.conditions) throw refuse('where', `has more than ${whereMax.conditions} conditions`);
  gone.push(...(await findGone(on, all)));
  if (gone.length > 0) throw new FilterOutdated(gone);
  const isPriced = all.some(({ kind, op }) => kind === 'open_deal' && (op === 'over' || op === 'under'));
  const priced = isPriced ? await readPriced(on) : undefined;
  const now = Date.now();
  const onRows = whole.match === 'all' || whole.conditions.length === 1 ? whole.conditions : [];
  return {
    conditions: {
      write: (parameter, mode) => writeGroup(whole, { parameter, mode, priced, now }),
      writeOnRows: (of, parameter) =>
        [
          'true',
          ...onRows.flatMap((each) => ('conditions' in each ? [] : writeOnSorted(each, of, { parameter, now }))),
        ].join(' and '),
    },
    needsDeals: all.some(({ kind, op }) => kind === 'open_deal' && op === 'stage'),
  };
}

function parse(where: string): unknown {
  try {
    return JSON.parse(where);
  } catch {
    throw refuse('where', 'must be JSON, such as {"match":"all","conditions":[]}');
  }
}

const refuse = (field: string, message: string) => new InvalidField([{ field, message }]);
const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

function readGroup(
  given: unknown,
  path: string,
  fields: Map<string, CustomField>,
  gone: { field: string; message: string }[],
): Group {
  if (!isRecord(given) || !Array.isArray(given.conditions)) throw refuse(path, 'must have match and conditions');
  const { match, conditions, ...rest } = given;
  if (match !== 'all' && match !== 'any') throw refuse(path, 'must have match, which is all or any');
  refuseRest(path, rest);
  const isInner = path !== 'where';
  if (isInner && conditions.length === 0) throw refuse(path, 'is a group without conditions');
  return {
    match,
    conditions: conditions.flatMap((each: unknown, at): (Condition | Group)[] => {
      const place = `${path}.${at}`;
      if (!isRecord(each)) throw refuse(place, 'must be a condition or a group of conditions');
      if (!('conditions' in each)) return readCondition(each, place, fields, gone);
      if (isInner) throw refuse(place, 'is a group within a group');
      return [readGroup(each, place, fields, gone)];
    }),
  };
}

function refuseRest(path: string, rest: Record<string, unknown>): void {
  const [more] = Object.keys(rest);
  if (more !== undefined) throw refuse(path, `has ${more}, which no filter has`);
}

/** @returns nothing for a condition on a custom field that is gone */
function readCondition(
  { field, op, value, ...rest }: Record<string, unknown>,
  path: string,
  fields: Map<string, CustomField>,
  gone: { field: string; message: string }[],
): Condition[] {
  refuseRest(path, rest);
  if (typeof field !== 'string') throw refuse(path, 'must name a field');
  const key = field.startsWith('custom.') ? field.slice('custom.'.length) : undefined;
  const custom = key === undefined ? undefined : fields.get(key);
  if (key !== undefined && !custom) {
    gone.push({ field: path, message: `the custom field “${key}”` });
    return [];
  }
  const kind = custom?.type ?? fixedKinds.find((each) => each === field);
  if (!kind) throw refuse(path, `names ${field}, which is nothing that customers are filtered by`);
  const shapes: Record<string, Shape> = operators[kind];
  const shape = typeof op === 'string' && Object.hasOwn(shapes, op) ? shapes[op] : undefined;
  if (!shape || typeof op !== 'string')
    throw refuse(path, `must have an op of ${field}: ${Object.keys(shapes).join(', ')}`);
  const fault = faultOf(shape, value);
  if (fault) throw refuse(path, `must have a value for ${op}: ${fault}`);
  return [{ path, kind, op, value, ...(custom && { custom }) }];
}

const numberMax = 1e15;
const isNumber = (value: unknown) => typeof value === 'number' && Math.abs(value) <= numberMax;
const isText = (value: unknown): value is string =>
  typeof value === 'string' && value.trim() !== '' && value.length <= 200 && !value.includes('\0');
const isDay = (value: unknown) =>
  typeof value === 'string' && /^(?!0000)\d{4}-\d{2}-\d{2}$/.test(value) && isTime(`${value}T00:00:00Z`, value);
const isTime = (value: string, day: string) =>
  !Number.isNaN(Date.parse(value)) && new Date(value).toISOString().startsWith(day);
const isMoment = (value: unknown) =>
  isDay(value) ||
  (typeof value === 'string' &&
    /^(?!0000)\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d{1,6})?Z$/.test(value) &&
    isTime(value, value.slice(0, 10)));
const isListOf = (value: unknown, fits: (each: unknown) => boolean) =>
  Array.isArray(value) && value.length > 0 && value.length <= 100 && value.every(fits);
const isPair = (value: unknown, fits: (each: unknown) => boolean) =>
  Array.isArray(value) && value.length === 2 && value.every(fits);

/** @returns what the value must be, if it is not that */
function faultOf(shape: Shape, value: unknown): string | undefined {
  const shapes: Record<Shape, [boolean, string]> = {
    nothing: [value === undefined, 'none'],
    text: [isText(value), 'a text of at most 200 characters'],
    number: [isNumber(value), 'a number'],
    numbers: [isPair(value, isNumber), 'two numbers'],
    day: [isDay(value), 'a day such as 2026-01-31'],
    days: [isPair(value, isDay), 'two days such as 2026-01-31'],
    span: [Number.isInteger(value) && Number(value) >= 1 && Number(value) <= 36_500, 'a number of days'],
    moment: [isMoment(value), 'a day, or a time in UTC such as 2026-01-31T12:00:00Z'],
    words: [isListOf(value, isText), 'a list of words'],
    ids: [isListOf(value, (each) => Number.isSafeInteger(each) && Number(each) > 0), 'a list of ids'],
  };
  const [isFit, must] = shapes[shape];
  return isFit ? undefined : must;
}

const flatten = (group: Group): Condition[] =>
  group.conditions.flatMap((each) => ('conditions' in each ? flatten(each) : [each]));

/** The values that name what is not there: choices, tiers, people, companies, tags and stages. */
async function findGone(on: Queryable, all: Condition[]): Promise<{ field: string; message: string }[]> {
  const gone: { field: string; message: string }[] = [];
  for (const { path, kind, op, value, custom } of all) {
    if (!Array.isArray(value)) continue;
    const name = (isThere: (each: unknown) => boolean, say: (each: unknown) => string) =>
      gone.push(
        ...value.flatMap((each, at) => (isThere(each) ? [] : [{ field: `${path}.value.${at}`, message: say(each) }])),
      );
    if (kind === 'choice') {
      name(
        (each) => custom?.choices.includes(String(each)) === true,
        (each) => `the choice “${each}” of ${custom?.label}`,
      );
      continue;
    }
    const look = kind === 'open_deal' && op === 'stage' ? looks.stage : looks[kind as keyof typeof looks];
    if (!look) continue;
    const values = kind === 'company' ? value.filter((each) => uuidPattern.test(each)) : value;
    const known = new Set((await on.query<{ id: string }>(look.sql, [values])).map(({ id }) => id));
    name((each) => known.has(String(each).toLowerCase()) || known.has(String(each)), look.say);
  }
  return gone;
}

const uuidPattern = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;
const looks = {
  tier: {
    sql: 'select t.key as id from platform.tiers t where t.key = any ($1)',
    say: (key: unknown) => `the tier “${key}”`,
  },
  manager: { sql: 'select u.id from platform.users u where u.id = any ($1)', say: (id: unknown) => `the person ${id}` },
  company: {
    sql: 'select o.id::text from platform.companies o where o.id = any ($1::uuid[])',
    say: (id: unknown) => `the company ${id}`,
  },
  tag: {
    sql: 'select t.id::text from crm.tags t where t.id = any ($1::bigint[])',
    say: (id: unknown) => `the tag ${id}`,
  },
  stage: {
    sql: 'select s.id::text from crm.pipeline_stages s where s.id = any ($1::bigint[])',
    say: (id: unknown) => `the stage ${id}`,
  },
};

type Writing = { parameter: Parameter; mode: MatchMode; priced: Priced | undefined; now: number };

function writeGroup({ match, conditions }: Group, writing: Writing): string {
  if (conditions.length === 0) return 'true';
  const written = conditions.map((each) =>
    'conditions' in each ? writeGroup(each, writing) : writeCondition(each, writing),
  );
  return `(${written.join(match === 'all' ? ' and ' : ' or ')})`;
}

const dayMs = 86_400_000;

const daysBefore = (now: number, days: unknown) => new Date(now - Number(days) * dayMs).toISOString();
const momentOf = (value: unknown, now: number) =>
  typeof value === 'number' ? daysBefore(now, value) : (value as string);

function writeOnSorted(
  { kind, op, value, custom }: Condition,
  of: string,
  { parameter, now }: Pick<Writing, 'parameter' | 'now'>,
): string[] {
  if (custom) return of === `custom.${custom.key}` ? [writeOnRow(testCustom(custom, op, value, parameter))] : [];
  return kind === 'last_activity' && of === kind
    ? [writeOnRow(testLastActivity(op, momentOf(value, now), parameter))]
    : [];
}

function writeCondition({ kind, op, value, custom }: Condition, { parameter, mode, priced, now }: Writing): string {
  const isIn = (by: string, type: string) =>
    op === 'any_of'
      ? `${by} = any (${parameter(value, type)})`
      : `(${by} = any (${parameter(value, type)})) is not true`;
  const isSet = (by: string) => `${by} is ${op === 'empty' ? '' : 'not '}null`;
  const isEmptiness = op === 'empty' || op === 'not_empty';
  const compareTime = (by: string) => {
    const moment = momentOf(value, now);
    return `${by} ${op === 'before' ? '<' : '>='} ${parameter(moment, 'timestamptz')}`;
  };
  switch (kind) {
    case 'tier':
      return isEmptiness ? isSet('c.account_tier') : isIn(`coalesce(c.account_tier, '~')`, 'text[]');
    case 'manager':
      return isEmptiness ? isSet('c.account_manager_id') : isIn('c.account_manager_id', 'text[]');
    case 'company':
      return isEmptiness ? isSet('c.company_id') : matchCompanyOf(op, value as string[], parameter);
    case 'app':
      return isIn('c.created_by_app', 'text[]');
    case 'created':
      return compareTime('c.created_at');
    case 'updated':
      return compareTime('c.updated_at');
    case 'tag':
      return matchTag(op, value as number[], parameter, mode);
    case 'last_activity':
      return matchLastActivity(op, momentOf(value, now), parameter, mode);
    case 'open_deal':
      return matchDeals(op, value, parameter, { mode, priced });
    default:
      return matchCustom(custom as CustomField, op, value, parameter, mode);
  }
}
