import type { addSettingChangeRoutes } from '@aether/http';
import { queryOptions } from '@tanstack/react-query';
import { hc, type InferResponseType } from 'hono/client';
import { dayOf } from '../formats.ts';
import { listOptions } from '../lists.ts';
import { daysOfSpan, ownZone } from '../reports/spans.ts';
import { read, send } from '../request.ts';
import type { ChangesSearch } from './search.ts';

const { 'setting-changes': changes } = hc<ReturnType<typeof addSettingChangeRoutes>>('/', { fetch: send }).api;

export type Act = InferResponseType<(typeof changes)['$get'], 200>['acts'][number];
export type Change = Act['changes'][number];
export type Field = Change['fields'][number];

/** The list asks again so often while its tab is looked at. */
const askedEachMs = 10_000;

/** What the server filters by. */
export function filtersOf({ person, kind, key, span, from, to }: ChangesSearch) {
  const isSpan = span !== undefined || from !== undefined;
  return {
    ...(person !== undefined && { person }),
    ...(kind !== undefined && { kind }),
    ...(key !== undefined && { key }),
    ...(isSpan && { ...daysOfSpan({ span, from, to } as ChangesSearch, 'year', dayOf(new Date())), zone: ownZone() }),
  };
}

export const changesQuery = (search: ChangesSearch) => ({
  ...listOptions(['setting-changes', search], (cursor, signal) =>
    read(changes.$get({ query: { ...filtersOf(search), cursor, limit: '50' } }, { init: { signal } })),
  ),
  refetchInterval: askedEachMs,
});

export const changersQuery = queryOptions({
  queryKey: ['setting-changers'],
  queryFn: ({ signal }) => read(changes.people.$get({}, { init: { signal } })),
});

/** The last change of a setting, or of any of a kind. */
export const lastChangeQuery = (kind: string, key: string | undefined) =>
  queryOptions({
    queryKey: ['setting-changes', 'last', kind, key],
    queryFn: ({ signal }) =>
      read(changes.$get({ query: { kind, ...(key !== undefined && { key }), limit: '1' } }, { init: { signal } })),
    refetchInterval: askedEachMs,
  });
