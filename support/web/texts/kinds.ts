import { readTextSearch, type TextSearch } from '@aether/ui/textsearch.ts';
import type { TextKind } from '../api/texts.ts';

/** What can be searched, in the order of the page. */
export const textKinds = [
  { value: 'message', label: 'Messages' },
  { value: 'note', label: 'Notes' },
  { value: 'call', label: 'Calls' },
] satisfies { value: TextKind; label: string }[];

export const readSearch = (given: Record<string, unknown>): TextSearch<TextKind> =>
  readTextSearch<TextKind>(
    given,
    textKinds.map(({ value }) => value),
  );
