/** A value of a setting as a list shows it. */
export type Shown = string | number | boolean | null;
/** A field that changed, by its path, such as `settings.texts.greeting`. Undefined for a side on which it had no value. */
export type Difference = { field: string; before?: Shown; after?: Shown; is_hidden: boolean };

const charactersMax = 300;

/**
 * The fields in which two versions of a setting differ, each down to its smallest part. Parts of a list that have ids are compared by them and
 * named by their labels, so that a new question does not show as a change of all that follow. Pure.
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
    const [former, latter] = [show(before), show(after)];
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

/** Empty texts, lists and objects say as little as none. */
const isEmpty = (value: unknown) =>
  value === undefined ||
  value === null ||
  value === '' ||
  (typeof value === 'object' && Object.keys(value).length === 0);

function show(value: unknown): Shown | undefined {
  if (isEmpty(value)) return undefined;
  if (typeof value === 'number' || typeof value === 'boolean') return value;
  const words =
    typeof value === 'string' ? value : Array.isArray(value) ? value.map(sayItem).join(', ') : sayItem(value);
  return words.length > charactersMax ? `${words.slice(0, charactersMax).toWellFormed()}…` : words;
}

const sayItem = (item: unknown) => (typeof item === 'string' ? item : JSON.stringify(item));
