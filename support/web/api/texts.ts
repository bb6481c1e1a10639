import { listOptions } from '@aether/ui/lists.ts';
import { read } from '@aether/ui/request.ts';
import type { TextSearch } from '@aether/ui/textsearch.ts';
import type { InferResponseType } from 'hono/client';
import { textSearch } from './clients.ts';

export type FoundText = InferResponseType<(typeof textSearch)['text']['$get'], 200>['results'][number];
export type TextKind = FoundText['kind'];

/** Texts with the given words, page by page. */
export const textsQuery = ({ q = '', kind, order }: TextSearch<TextKind>) => ({
  ...listOptions(['texts', q, kind, order] as const, (cursor, signal) =>
    read(textSearch.text.$get({ query: { q, kind, order, cursor } }, { init: { signal } })),
  ),
  enabled: q !== '',
});
