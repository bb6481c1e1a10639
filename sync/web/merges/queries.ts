import { keepPreviousData, queryOptions } from '@tanstack/react-query';
import { act, ask } from '../api/asking.ts';

export type Side = 'survivor' | 'loser';
export type Choices = Record<string, Side>;
export type Sourced = { value: unknown; source: string; at: string } | null;
type Party = { id: string; name: string; email: string; version: number };
type Chosen = { field: string; chosen: Side; by: 'rule' | 'choice'; why: string };
type Refused = { code: string; message: string } | null;

/** What a merge of two customers would do. */
export type MergePreviewed = {
  survivor: Party | null;
  loser: Party | null;
  fields: (Chosen & { survivor: Sourced; loser: Sourced })[];
  moves: { table: string; column: string; rows: number }[];
  cannot: { table: string; rows: number; why: string }[];
  refused: Refused;
};
export type Names = Record<string, string>;
type Named = { id: string; name: string | null };

export type MergeHead = {
  id: string;
  survivor: Named;
  loser: Named;
  actor: string | null;
  actor_name: string | null;
  reason: string | null;
  merged_at: string;
  undone_at: string | null;
  undone_by: string | null;
  undone_by_name: string | null;
};
export type Counts = Record<string, number>;
export type Row = { table: string; key: string; why: string };
export type UndoReport = {
  fieldsBack: string[];
  fieldsKept: { field: string; written: unknown; present: unknown }[];
  home: Counts;
  kept: Row[];
  ambiguous: (Row & { default: 'home' | 'stay'; decided?: 'home' | 'stay' })[];
};
export type MergeRecord = MergeHead & {
  fields: (Chosen & { survivor: unknown; loser: unknown })[];
  moved: Counts;
  suppressed: Counts;
  undo_report: UndoReport | null;
  names: Names;
};

export const mergesQuery = queryOptions({
  queryKey: ['merges'],
  queryFn: ({ signal }) => ask<{ merges: MergeHead[] }>('/api/merges', signal),
});

export const mergesOfQuery = (customer: string) =>
  queryOptions({
    queryKey: ['merges', 'of', customer],
    queryFn: ({ signal }) => ask<{ merges: MergeHead[] }>(`/api/customers/${customer}/merges`, signal),
  });

export const mergeQuery = (id: string) =>
  queryOptions({
    queryKey: ['merges', id],
    queryFn: ({ signal }) => ask<MergeRecord>(`/api/merges/${id}`, signal),
  });

/** The preview of a pair with the choices of the person. It is read again when one of the two changes. */
export const previewQuery = (survivor: string, loser: string, choices: Choices) =>
  queryOptions({
    queryKey: ['customer', survivor, 'merge', loser, choices],
    placeholderData: keepPreviousData,
    queryFn: async () => {
      const { previews, names } = await act<{ previews: MergePreviewed[]; names: Names }>(
        'POST',
        '/api/merges/preview',
        {
          survivor,
          losers: [loser],
          fields: choices,
        },
      );
      return { preview: previews[0] as MergePreviewed, names };
    },
  });

/** A trial of the unmerge, which holds the customers as long as that. It is asked for once, and not again at each look at the window. */
export const undoPreviewQuery = (id: string) =>
  queryOptions({
    queryKey: ['merge-trial', id],
    staleTime: Number.POSITIVE_INFINITY,
    gcTime: 0,
    refetchOnReconnect: false,
    refetchOnWindowFocus: false,
    queryFn: ({ signal }) =>
      ask<UndoReport & { refused: Refused; names: Names }>(`/api/merges/${id}/undo/preview`, signal),
  });

type Merging = { survivor: Party; loser: Party; choices: Choices; reason: string };

/** Merges what the preview has shown, and nothing else: it is refused if one of the two has changed since. @returns the id of the merge */
export async function merge({ survivor, loser, choices, reason }: Merging): Promise<string> {
  const { merges } = await act<{ merges: { merge: string }[] }>('POST', '/api/merges', {
    survivor: survivor.id,
    losers: [loser.id],
    fields: choices,
    expected_versions: { [survivor.id]: survivor.version, [loser.id]: loser.version },
    ...(reason && { reason }),
  });
  return (merges[0] as { merge: string }).merge;
}

export const undoMerge = (id: string, choices: Record<string, 'home' | 'stay'>) =>
  act('POST', `/api/merges/${id}/undo`, { choices });
