import type { CannedAnswer } from '../api/records.ts';

type Names = { customer: { name: string }; agent: { name: string } };

/** Fills in `{{customer.name}}` and `{{agent.name}}`; what it does not know stays, so that somebody sees it. */
export function fillIn(body: string, { customer, agent }: Names): string {
  const values: Record<string, string> = {
    'customer.name': customer.name,
    'customer.first_name': customer.name.split(' ')[0] ?? '',
    'agent.name': agent.name,
  };
  return body.replace(/\{\{\s*([a-z_.]+)\s*\}\}/g, (whole, name: string) => values[name] ?? whole);
}

/** Those whose shortcut begins with what is typed behind `/`, then those that have it in title or body. */
export function findCanned(answers: CannedAnswer[], typed: string): CannedAnswer[] {
  const words = typed.trim().toLowerCase();
  const rank = ({ shortcut, title, body }: CannedAnswer) =>
    shortcut.toLowerCase().startsWith(words)
      ? 0
      : title.toLowerCase().includes(words)
        ? 1
        : `${shortcut} ${body}`.toLowerCase().includes(words)
          ? 2
          : 3;
  return answers
    .filter((answer) => rank(answer) < 3)
    .sort((one, other) => rank(one) - rank(other) || one.shortcut.localeCompare(other.shortcut));
}
