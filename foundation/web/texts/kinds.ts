import { readTextSearch, type TextSearch } from '@aether/ui/textsearch.ts';
import type { TextKind } from '../api/texts.ts';

/** What can be searched, in the order of the page. */
export const textKinds = [
  { value: 'note', label: 'Notes' },
  { value: 'call', label: 'Calls' },
  { value: 'email', label: 'E-mails' },
  { value: 'meeting', label: 'Meetings' },
  { value: 'task', label: 'Tasks' },
  { value: 'support', label: 'Support' },
  { value: 'deal', label: 'Deals' },
] satisfies { value: TextKind; label: string }[];

export const readSearch = (given: Record<string, unknown>): TextSearch<TextKind> =>
  readTextSearch<TextKind>(
    given,
    textKinds.map(({ value }) => value),
  );
