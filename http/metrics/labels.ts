import { type LabelKey, type Labels, labelKeys, type Metric } from './names.ts';

/** A process shows at most so many values of a label; the others count together. */
const valuesMax = 300;
const methods = new Set(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']);
const other = 'other';

/** What no template, name or code contains: an address, an id, a long number, a sentence. */
const suspicious = /[^\x21-\x7e]|@|[0-9a-f]{8}-[0-9a-f]{4}|\d{6}/i;

const normal: Partial<Record<LabelKey, (value: string) => string>> = {
  'http.request.method': (value) => (methods.has(value) ? value : '_OTHER'),
};

/**
 * Bounds what leaves the process as labels: the keys to those of the metric, each always there, so that all of its series have the same
 * labels; the values in length, characters and number. It is a second net: those who record give templates and names.
 */
export function boundLabels(): (of: Pick<Metric, 'labels'>, given: Labels) => Record<string, string> {
  const seen = new Map<LabelKey, Set<string>>(labelKeys.map((key) => [key, new Set()]));
  function bound(key: LabelKey, value: string | number | undefined): string {
    const text = String(value ?? '');
    const normalised = normal[key]?.(text) ?? text;
    const values = seen.get(key) as Set<string>;
    if (values.has(normalised)) return normalised;
    if (normalised.length > 120 || suspicious.test(normalised) || values.size >= valuesMax) return other;
    values.add(normalised);
    return normalised;
  }
  return ({ labels }, given) => {
    const bounded: Record<string, string> = {};
    for (const key of labels) bounded[key] = bound(key, given[key]);
    return bounded;
  };
}
