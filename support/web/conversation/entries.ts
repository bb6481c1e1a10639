import { formatMoment } from '@aether/ui/formats.ts';
import type { Entry } from '../api/records.ts';

/** An action as a sentence: `Priya Nair transferred this to Tom Berglund`. */
export function describeEntry({ kind, agent, to_agent, body, move }: Entry): string {
  const who = agent?.name;
  const isMoment = body !== null && /^\d{4}-\d{2}-\d{2}T/.test(body);
  switch (kind) {
    case 'note':
      return `${who ?? 'Somebody'} wrote a note`;
    case 'claimed':
      return `${who ?? to_agent?.name ?? 'Somebody'} took this on`;
    case 'assigned':
      return `${who ?? 'Somebody'} transferred this to ${to_agent?.name ?? 'another agent'}`;
    case 'released':
      return `${who ?? 'Somebody'} gave this back to Unassigned`;
    case 'snoozed':
      return `${who ?? 'Somebody'} snoozed this${isMoment ? ` until ${formatMoment(body)}` : ''}`;
    case 'woken':
      return who ? `${who} woke this` : 'This came back from being snoozed';
    case 'handed_over':
      return 'The bot handed over to the agents';
    case 'verified':
      return 'The visitor is verified: the website vouches for the address';
    case 'identified':
      return 'The visitor said who they are';
    case 'moved':
      return `${who ?? 'Somebody'} moved this from ${nameOf(move?.from)} to ${nameOf(move?.to)}`;
    case 'moved_back':
      return `${who ?? 'Somebody'} moved this back from ${nameOf(move?.to)} to ${nameOf(move?.from)}`;
    case 'tagged':
      return `${who ?? 'Somebody'} added the tag`;
    case 'untagged':
      return `${who ?? 'Somebody'} took the tag away`;
    case 'prioritised':
      return `${who ?? 'Somebody'} changed the priority to`;
    case 'ended':
      return `${who ?? 'Support'} ended this`;
    case 'mailed':
      return 'Sent by e-mail';
    case 'mail_failed':
      return 'An e-mail did not arrive';
    case 'mail_doubtful':
      return 'An e-mail may have gone: the mail server did not answer';
    case 'mail_automatic':
      return 'An automatic answer came by e-mail';
    case 'reopened':
      return who ? `${who} opened this again` : 'An answer by e-mail opened this again';
    case 'returned':
      return 'The visitor wrote again, so this is open again';
    case 'expired':
      return body === null
        ? 'This ended by itself'
        : `This ended by itself: nobody wrote for ${sayHours(Number(body))}`;
    case 'assigned_by_rule':
      return `Given to ${to_agent?.name ?? 'an agent'} by the rule of the team`;
    case 'taken_back':
      return `Taken back: ${to_agent?.name ?? 'the agent'} went away without opening it`;
  }
}

const sayHours = (hours: number): string =>
  hours % 24 === 0 && hours > 24 ? `${hours / 24} days` : hours === 1 ? 'an hour' : `${hours} hours`;

const nameOf = (customer: { name: string | null } | undefined): string => customer?.name ?? 'an erased customer';
