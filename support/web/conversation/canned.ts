import { between, contains } from '@aether/platform/folding';
import type { CannedAnswer, Session } from '../api/records.ts';

type Names = { customer: { name: string } | undefined; agent: { name: string } };

/**
 * The name by which an answer may call the visitor. A visitor who only typed an address gets the name that they gave: the name
 * in the customer's record would tell a stranger whose address it is.
 */
export function nameForVisitor({
  identity,
  customer,
  visitor_name,
}: Pick<Session, 'identity' | 'customer' | 'visitor_name'>): { name: string } | undefined {
  const name = identity === 'verified' ? (customer?.name ?? visitor_name) : visitor_name;
  return name === null ? undefined : { name };
}

/** Fills in `{{customer.name}}` and `{{agent.name}}`; an unknown placeholder stays, so that the agent sees it. */
export function fillIn(body: string, { customer, agent }: Names): string {
  const values: Record<string, string | undefined> = {
    'customer.name': customer?.name,
    'customer.first_name': customer?.name.split(' ')[0],
    'agent.name': agent.name,
  };
  return body.replace(/\{\{\s*([a-z_.]+)\s*\}\}/g, (whole, name: string) => values[name] ?? whole);
}

/** The first placeholder that nobody filled in: a visitor would read it. */
export const findOpen = (text: string): string | undefined => /\{\{\s*[\p{L}\p{N}_.-]*\s*\}\}/u.exec(text)?.[0];

/** Answers whose shortcut begins with the letters after `/`, then those with the letters in title or body. */
export function findCanned(answers: CannedAnswer[], typed: string): CannedAnswer[] {
  const words = typed.trim().toLowerCase();
  const rank = ({ shortcut, title, body }: CannedAnswer) =>
    shortcut.toLowerCase().startsWith(words)
      ? 0
      : contains(title, words)
        ? 1
        : contains(`${shortcut}${between}${body}`, words)
          ? 2
          : 3;
  return answers
    .filter((answer) => rank(answer) < 3)
    .sort((one, other) => rank(one) - rank(other) || one.shortcut.localeCompare(other.shortcut));
}
