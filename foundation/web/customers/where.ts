import { beginOf } from '../api/days.ts';

/** A condition of a filter as the address holds it. What the server knows of fields and operators is in conditions.ts there. */
export type Condition = { field: string; op: string; value?: unknown };
export type Match = 'all' | 'any';
export type Group = { match: Match; conditions: Condition[] };
export type Where = { match: Match; conditions: (Condition | Group)[] };

export const isGroup = (one: Condition | Group): one is Group => 'conditions' in one;

/** How many conditions there are. */
export const countConditions = (where: Where | string | undefined): number =>
  where === undefined
    ? 0
    : typeof where === 'string'
      ? 1
      : where.conditions.reduce((sum, each) => sum + (isGroup(each) ? each.conditions.length : 1), 0);

/**
 * The filter of an address. What is not written as one stays a text: the server refuses it, because a filter that was left out in silence
 * would show customers that nobody asked for.
 */
export function readWhere(value: unknown): Where | string | undefined {
  if (value === undefined || value === '') return undefined;
  if (typeof value === 'string')
    try {
      return readWhere(JSON.parse(value)) ?? value;
    } catch {
      return value;
    }
  const isCondition = (one: unknown) =>
    isObject(one) && typeof one.field === 'string' && typeof one.op === 'string' && !('conditions' in one);
  const fits = (one: unknown, fitsEach: (each: unknown) => boolean): boolean =>
    isObject(one) &&
    (one.match === 'all' || one.match === 'any') &&
    Array.isArray(one.conditions) &&
    one.conditions.every(fitsEach);
  if (fits(value, (each) => isCondition(each) || fits(each, isCondition))) {
    const where = value as Where;
    return where.conditions.length === 0 ? undefined : where;
  }
  return JSON.stringify(value);
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** The filter as the server takes it: days become the moments at which they begin where the person is. */
export function writeWhere(where: Where | string | undefined): string | undefined {
  if (where === undefined || typeof where === 'string') return where;
  const write = (one: Condition): Condition =>
    ['last_activity', 'created', 'updated'].includes(one.field) && typeof one.value === 'string'
      ? { ...one, value: beginOf(one.value) ?? one.value }
      : one;
  const { match, conditions } = where;
  return JSON.stringify({
    match,
    conditions: conditions.map((each) =>
      isGroup(each) ? { match: each.match, conditions: each.conditions.map(write) } : write(each),
    ),
  });
}

/**
 * The filter without some of its conditions, or without some values of a condition. One that has none left is taken away.
 *
 * @param paths as the server names them: `where.1`, or `where.1.0` in a group, or `where.1.value.0` for one of several values
 */
export function without(where: Where | string, paths: string[]): Where | undefined {
  if (typeof where === 'string') return undefined;
  const gone = new Set(paths);
  const keep = (one: Condition, path: string): Condition[] => {
    if (gone.has(path)) return [];
    if (!Array.isArray(one.value)) return [one];
    const value = one.value.filter((_, at) => !gone.has(`${path}.value.${at}`));
    return value.length > 0 ? [{ ...one, value }] : [];
  };
  const conditions = where.conditions.flatMap((each, at): (Condition | Group)[] => {
    const path = `where.${at}`;
    if (!isGroup(each)) return keep(each, path);
    if (gone.has(path)) return [];
    const kept = each.conditions.flatMap((one, inner) => keep(one, `${path}.${inner}`));
    return kept.length > 0 ? [{ ...each, conditions: kept }] : [];
  });
  return conditions.length > 0 ? { match: where.match, conditions } : undefined;
}
