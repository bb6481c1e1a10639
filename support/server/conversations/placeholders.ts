/** The placeholders that the composer fills in when an agent inserts a canned answer. */
export const placeholders = ['customer.name', 'customer.first_name', 'agent.name'] as const;

const placeholder = /\{\{\s*([\p{L}\p{N}_.-]*)\s*\}\}/gu;

/** The placeholders in a text as they are written, such as `{{order.id}}`; those that are `known` are left out. */
export function findPlaceholders(text: string, known: readonly string[] = []): string[] {
  return [...text.matchAll(placeholder)].filter(([, name = '']) => !known.includes(name)).map(([written]) => written);
}

/** For `refine` of a canned answer: it has known placeholders only. */
export const knownPlaceholders = [
  (text: string) => findPlaceholders(text, placeholders).length === 0,
  { error: `may have the placeholders ${placeholders.map((name) => `{{${name}}}`).join(', ')} only` },
] as const;

/** For `refine` of a text in which nothing is filled in: people would read its placeholders. */
export const noPlaceholders = [
  (text: string) => findPlaceholders(text).length === 0,
  { error: 'must have no placeholders such as {{customer.name}}: nothing is filled in here' },
] as const;
