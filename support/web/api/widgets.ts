import { read } from '@aether/ui/request.ts';
import { queryOptions } from '@tanstack/react-query';
import { widgets } from './clients.ts';
import type { WidgetChange } from './records.ts';

export const widgetsQuery = queryOptions({
  queryKey: ['widgets'],
  queryFn: ({ signal }) => read(widgets.$get({}, { init: { signal } })),
});

const of = (id: string) => ({ param: { id } });

export const createWidget = (name: string) => read(widgets.$post({ json: { name } }));

/** @throws Refusal with `isConflict` when it has changed since the `expected_version`. */
export const changeWidget = (id: string, json: WidgetChange) => read(widgets[':id'].$patch({ ...of(id), json }));

/** What would go with the widget. */
export const holdingsQuery = (id: string) =>
  queryOptions({
    queryKey: ['widgets', 'holdings', id],
    queryFn: ({ signal }) => read(widgets[':id'].holdings.$get(of(id), { init: { signal } })),
    staleTime: 0,
  });

export const deleteWidget = (id: string) => read(widgets[':id'].$delete(of(id)));

export const changeTeam = (id: string, agent_ids: string[]) =>
  read(widgets[':id'].team.$put({ ...of(id), json: { agent_ids } }));

/** The answer holds the secret; no later answer does. */
export const addSecret = (id: string) => read(widgets[':id'].secrets.$post({ ...of(id), json: {} }));

export const removeSecret = (id: string, secret_id: string) =>
  read(widgets[':id'].secrets[':secret_id'].$delete({ param: { id, secret_id } }));
