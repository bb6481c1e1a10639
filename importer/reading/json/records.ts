/*
 * A JSON record as cells. A field within an object is `location.city`, a list of values has one a line, and of a list of objects each field is
 * such a list (`companies.name`). Numbers stay as they are written: an id of 19 digits is more than a number in JavaScript can hold.
 */

const depthMax = 8;
const preciseNumber = /[:[,]\s*-?(?:\d{16}|\d*\.\d*0[\s,}\]]|\d+(?:\.\d+)?[eE]|\d*\.\d{15})/;

/** The fields of a record by their names; undefined if the text is no JSON object. */
export function fieldsOf(text: string): Map<string, string> | undefined {
  let value: unknown;
  try {
    // The reviver sees the digits of each number, and costs several times the parsing, so only texts with such numbers pay for it.
    value = preciseNumber.test(text) ? JSON.parse(text, keepDigits as never) : JSON.parse(text);
  } catch {
    return undefined;
  }
  if (value === null || typeof value !== 'object' || Array.isArray(value)) return undefined;
  const fields = new Map<string, string>();
  collect(fields, '', value, 0);
  return fields;
}

const keepDigits = (_key: string, value: unknown, { source }: { source?: string }): unknown =>
  typeof value === 'number' && source !== undefined ? source : value;

function collect(fields: Map<string, string>, name: string, value: unknown, depth: number): void {
  if (value === null || value === undefined) {
    if (!fields.has(name)) fields.set(name, '');
    return;
  }
  if (typeof value !== 'object' || depth > depthMax) {
    const text = typeof value === 'object' ? JSON.stringify(value) : String(value);
    const before = fields.get(name);
    fields.set(name, before ? `${before}\n${text}` : text);
    return;
  }
  if (Array.isArray(value)) {
    for (const part of value) collect(fields, name, part, depth + 1);
    return;
  }
  for (const [key, part] of Object.entries(value))
    collect(fields, name === '' ? key : `${name}.${key}`, part, depth + 1);
}
