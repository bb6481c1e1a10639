import { infiniteQueryOptions, queryOptions } from '@tanstack/react-query';
import { act, ask } from '../api/asking.ts';
import type { FrozenSet } from '../api/operations.ts';

type Time = string | null;
export type Person = { id: string; name: string; email: string; crm_id: number | null };
export type FindingNumber = {
  finding: string;
  group: string;
  count: number;
  isCapped: boolean;
  isFailing: boolean;
  since: Time;
  trend: [number, number][];
};
export type Scan = { name: string; rowsSeen: number; rowsInAll: number | null; steppedAt: Time; askedAt: Time };
export type Board = { findings: FindingNumber[]; scans: Scan[] };
export type Found = {
  id: number;
  finding: string;
  subject: string;
  subject_id: string;
  part: string;
  detail: Record<string, unknown>;
  found_at: string;
  customer: Person | null;
  other: Person | null;
  address: string | null;
};
type FoundPage = { rows: Found[]; next_cursor: string | null };
type Outcome = { id: number; outcome: 'mended' | 'gone' | 'refused'; because?: string };

const restMs = 5_000;
const roundMs = 1_000;

/** The numbers; more often while somebody waits for a whole round. It pauses while the tab is hidden. */
export const boardQuery = queryOptions({
  queryKey: ['quality'],
  queryFn: ({ signal }) => ask<Board>('/api/quality', signal),
  refetchInterval: ({ state }) => (state.data?.scans.some(({ askedAt }) => askedAt) ? roundMs : restMs),
});

export const rowsQuery = (finding: string) =>
  infiniteQueryOptions({
    queryKey: ['quality', finding],
    queryFn: ({ pageParam, signal }) => {
      const cursor = pageParam ? `&cursor=${encodeURIComponent(pageParam)}` : '';
      return ask<FoundPage>(`/api/quality/findings/${finding}?limit=100${cursor}`, signal);
    },
    initialPageParam: '',
    getNextPageParam: ({ next_cursor }) => next_cursor ?? undefined,
  });

export const askRound = () => act<{ already_running: boolean }>('POST', '/api/quality/rounds', {});
export const repair = (ids: number[]) => act<{ outcomes: Outcome[] }>('POST', '/api/quality/repairs', { ids });
/** Freezes all stored rows of a finding, and counts them. Nothing is done to them. */
export const freezeRows = (finding: string) => act<FrozenSet>('POST', `/api/quality/findings/${finding}/runs`, {});
export const recheck = (ids: number[]) => act('POST', '/api/quality/rechecks', { ids });
export const correct = (customer: string, address: string, replacement?: string) =>
  act<{ operation: number }>('POST', `/api/quality/addresses/${customer}/${address}/correction`, {
    ...(replacement && { replacement }),
  });
export const undoCorrection = (operation: number) => act('DELETE', `/api/quality/corrections/${operation}`);

/** What came of a repair, as exactly as the database said it. Pure. */
export function sayOutcomes(outcomes: Outcome[]): string {
  const count = (outcome: Outcome['outcome']) => outcomes.filter((each) => each.outcome === outcome).length;
  const [mended, gone, refused] = [count('mended'), count('gone'), count('refused')];
  const because = outcomes.find((each) => each.because)?.because;
  return [
    mended > 0 && `${mended} mended`,
    gone > 0 && `${gone} no longer true`,
    refused > 0 && `${refused} refused${because ? `: ${because}` : ''}`,
  ]
    .filter(Boolean)
    .join(', ')
    .concat('.');
}
