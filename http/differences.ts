/** A value of a setting as a list shows it. */
export type Shown = string | number | boolean | null;
/** A field that changed, by its path, such as `settings.texts.greeting`. Undefined for a side on which it had no value. */
export type Difference = { field: string; before?: Shown; after?: Shown; is_hidden: boolean };

const charactersMax = 300;
/** So much is shown before the place where long texts differ. */
const charactersBefore = 60;

/**
 * The fields in which two versions of a setting differ, each down to its smallest part. Parts of a list that have ids are compared by them and
 * named by their labels, so that a new question does not show as a change of all that follow; their order is the list's own. Pure.
 *
 * @param hidden fields that changed and whose values are not recorded
 */
export function findDifferences(
  before: Record<string, unknown>,
  after: Record<string, unknown>,
  hidden: readonly string[] = [],
): Difference[] {
  const found: Difference[] = [];
  for (const field of new Set([...Object.keys(before), ...Object.keys(after)]))
    compare(field, before[field], after[field], found);
  return [...found, ...hidden.map((field) => ({ field, is_hidden: true }))];
}

function compare(field: string, before: unknown, after: unknown, found: Difference[]): void {
  const [was, is] = [partsOf(before), partsOf(after)];
  if ((was ?? is) === undefined || (was === undefined && isValue(before)) || (is === undefined && isValue(after))) {
    const [former, latter] = showBoth(before, after);
    const isSame = former === latter && JSON.stringify(before) === JSON.stringify(after);
    if (isSame || (former === undefined && latter === undefined)) return;
    found.push({
      field,
      ...(former !== undefined && { before: former }),
      ...(latter !== undefined && { after: latter }),
      is_hidden: false,
    });
    return;
  }
  if (was && is && Array.isArray(before)) {
    const [former, latter] = [listCommon(was, is), listCommon(is, was)];
    const names = (keys: string[]) => cut(keys.map((key) => is.get(key)?.name).join(', '));
    if (former.join() !== latter.join())
      found.push({ field, before: names(former), after: names(latter), is_hidden: false });
  }
  for (const key of new Set([...(was?.keys() ?? []), ...(is?.keys() ?? [])])) {
    const [former, latter] = [was?.get(key), is?.get(key)];
    compare(`${field}.${latter?.name ?? former?.name}`, former?.value, latter?.value, found);
  }
}

const isValue = (value: unknown) => value !== undefined && value !== null;
const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

type Part = { name: string; value: unknown };

/** The parts of an object, or of a list of objects; undefined for what is shown as one. */
function partsOf(value: unknown): Map<string, Part> | undefined {
  if (isObject(value)) return new Map(Object.entries(value).map(([name, part]) => [name, { name, value: part }]));
  if (!Array.isArray(value) || value.length === 0 || !value.every(isObject)) return undefined;
  return new Map(
    value.map((item, place) => {
      const { id, label, name } = item;
      const key = typeof id === 'string' ? id : String(place + 1);
      return [key, { name: String(label ?? name ?? key).replaceAll('.', ' '), value: item }];
    }),
  );
}

/** The keys of the parts that both lists have, in the order of one. */
const listCommon = (parts: Map<string, Part>, others: Map<string, Part>) =>
  [...parts.keys()].filter((key) => others.has(key));

/** Empty texts, lists and objects say as little as none. */
const isEmpty = (value: unknown) =>
  value === undefined ||
  value === null ||
  value === '' ||
  (typeof value === 'object' && Object.keys(value).length === 0);

/** Two versions of a value. Of long texts that begin alike, the place where they differ. */
function showBoth(before: unknown, after: unknown): [Shown | undefined, Shown | undefined] {
  const [former, latter] = [sayValue(before), sayValue(after)];
  if (typeof former !== 'string' || typeof latter !== 'string') return [show(former), show(latter)];
  let alike = 0;
  while (alike < former.length && former[alike] === latter[alike]) alike++;
  const from = alike > charactersMax - charactersBefore ? alike - charactersBefore : 0;
  return [cut(former, from), cut(latter, from)];
}

const show = (value: Shown | undefined) => (typeof value === 'string' ? cut(value) : value);

function sayValue(value: unknown): Shown | undefined {
  if (isEmpty(value)) return undefined;
  if (typeof value === 'number' || typeof value === 'boolean') return value;
  return typeof value === 'string' ? value : Array.isArray(value) ? value.map(sayItem).join(', ') : sayItem(value);
}

function cut(words: string, from = 0): string {
  const shown = words.slice(from, from + charactersMax).toWellFormed();
  return `${from > 0 ? '…' : ''}${shown}${words.length > from + charactersMax ? '…' : ''}`;
}

const sayItem = (item: unknown) => (typeof item === 'string' ? item : JSON.stringify(item));
