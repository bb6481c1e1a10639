import { queryOptions } from '@tanstack/react-query';
import { call } from './call.ts';
import type { Widget } from './records.ts';

export const widgetsQuery = queryOptions({
  queryKey: ['widgets'],
  queryFn: ({ signal }) => call<{ widgets: Widget[] }>('GET', 'widgets', { signal }),
});

export type WidgetChange = Partial<Pick<Widget, 'name' | 'is_active' | 'allowed_origins' | 'settings'>>;
export const createWidget = (name: string) => call<{ id?: string; widget?: Widget }>('POST', 'widgets', { body: { name } });
export const changeWidget = (id: string, body: WidgetChange) => call<unknown>('PATCH', `widgets/${id}`, { body });
export const changeTeam = (id: string, agent_ids: string[]) =>
  call<unknown>('PUT', `widgets/${id}/team`, { body: { agent_ids } });

/** The secret is told this once. */
export const addSecret = (id: string) =>
  call<{ id: string; secret: string }>('POST', `widgets/${id}/secrets`, { body: {} });
export const removeSecret = (id: string, secretId: string) =>
  call<void>('DELETE', `widgets/${id}/secrets/${secretId}`);
