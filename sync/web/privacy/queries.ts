import { readRefusal } from '@aether/ui/refusal.ts';
import { send } from '@aether/ui/request.ts';
import { keepPreviousData, queryOptions } from '@tanstack/react-query';
import { act, ask } from '../api/asking.ts';

export type FoundCustomer = { id: string; name: string; email: string; erased_at: string | null };
export type Held = { table: string; chapter: string; title: string; why: string; rows: number };
export type Found = {
  customers: FoundCustomer[];
  person: { customers: string[]; emails: string[]; phones: string[]; conversations: number } | null;
  held: Held[];
};

/** What is held about a person. The question is a body, so that no address is in the address of a page. */
export const findPerson = (who: string) => act<Found>('POST', '/api/privacy/find', { who });

/** Downloads a person's zip. @returns the name of the file */
export async function downloadExport(who: string, reason: string): Promise<string> {
  const answer = await send('/api/privacy/export', {
    method: 'POST',
    body: JSON.stringify({ who, ...(reason && { reason }) }),
    headers: { 'Content-Type': 'application/json' },
  });
  if (!answer.ok) throw await readRefusal(answer);
  const name = /filename="([^"]+)"/.exec(answer.headers.get('content-disposition') ?? '')?.[1] ?? 'person.zip';
  // A file that was cut off is an error here, and is never saved.
  const url = URL.createObjectURL(await answer.blob());
  const link = Object.assign(document.createElement('a'), { href: url, download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
  return name;
}

export type Act = 'delete' | 'scrub' | 'keep';
type Done = { at: string; by: string; by_name: string | null; reason: string };
export type ErasurePreview = {
  customer: string;
  people: string[];
  state: 'present' | 'erased';
  tables: { table: string; act: Act; rows: number; why: string }[];
  events: number;
  addresses: number;
  numbers: number;
  files: { upload: number; name: string }[];
  hold: (Done & { id: string }) | null;
  asked: (Done & { id: string }) | null;
  needs_two: boolean;
};

/** What erasing a customer would do. It changes nothing, and is asked for again when somebody comes back to it. */
export const previewQuery = (customer: string) =>
  queryOptions({
    queryKey: ['privacy', 'preview', customer],
    gcTime: 0,
    queryFn: () => act<ErasurePreview>('POST', '/api/privacy/erasures/preview', { customer }),
  });

export const erase = (customer: string, reason: string) =>
  act<{ id: string; state: 'asked' | 'erased' | 'clean' }>('POST', '/api/privacy/erasures', { customer, reason });
export const placeHold = (customer: string, reason: string) => act('POST', '/api/privacy/holds', { customer, reason });
export const releaseHold = (hold: string, reason: string) =>
  act('POST', `/api/privacy/holds/${hold}/release`, { reason });

export type Receipt = {
  id: string;
  customer: string;
  people: string[];
  reason: string;
  state: 'asked' | 'erased' | 'clean';
  asked_by: string;
  asked_by_name: string | null;
  asked_at: string;
  erased_by: string | null;
  erased_by_name: string | null;
  erased_at: string | null;
  clean_at: string | null;
  tables: { table: string; act: Act; rows: number }[];
  kept: { table: string; rows: number; why: string }[];
  events: number | null;
  addresses: number | null;
  numbers: number | null;
  subscribers: { kind: 'subscription' | 'consumer'; name: string; told: boolean; acknowledged: boolean }[];
  /** What still keeps the person away, and who has let what come back. */
  kept_away: number;
  lifted: { at: string; by: string; by_name: string | null; reason: string; count: number }[];
  backups_expire_on: string | null;
};

export const receiptsQuery = queryOptions({
  queryKey: ['privacy', 'receipts'],
  queryFn: ({ signal }) => ask<{ receipts: Receipt[] }>('/api/privacy/receipts', signal),
});

/** One that is not done with is looked at again. */
export const receiptQuery = (id: string) =>
  queryOptions({
    queryKey: ['privacy', 'receipts', id],
    queryFn: ({ signal }) => ask<Receipt>(`/api/privacy/receipts/${id}`, signal),
    refetchInterval: ({ state }) => (state.data?.state === 'clean' ? false : 3_000),
  });

/** Up to 10,000 rows; 10,001 says that there are more. */
export type Aged = { table: string; rows: number; oldest: string | null };
export type RetentionRule = {
  kind: string;
  days: number | null;
  days_min: number;
  days_max: number;
  meaning: string;
  set_by: 'rule' | 'limit' | 'SYNC_KEEP_DAYS';
  round_ended_at: string | null;
  changed_at: string | null;
  changed_by_name: string | null;
  next: Aged[];
};

export const retentionQuery = queryOptions({
  queryKey: ['retention'],
  queryFn: ({ signal }) => ask<{ rules: RetentionRule[] }>('/api/privacy/retention', signal),
});

export const retentionPreviewQuery = (kind: string, days: number) =>
  queryOptions({
    queryKey: ['retention', kind, days],
    queryFn: ({ signal }) => ask<{ next: Aged[] }>(`/api/privacy/retention/${kind}/preview?days=${days}`, signal),
    placeholderData: keepPreviousData,
  });

export const setRetention = (kind: string, days: number | null, reason: string) =>
  act('POST', `/api/privacy/retention/${kind}`, { days, reason });

export type Hold = {
  id: string;
  customer_id: string;
  customer_name: string | null;
  reason: string;
  held_at: string;
  held_by: string;
  held_by_name: string | null;
  released_at: string | null;
  released_by: string | null;
  released_by_name: string | null;
  release_reason: string | null;
};

export const holdsQuery = queryOptions({
  queryKey: ['privacy', 'holds'],
  queryFn: ({ signal }) => ask<{ holds: Hold[] }>('/api/privacy/holds', signal),
});

/** Whether an address or a number is kept away. */
export const findSuppression = (who: string) =>
  act<{ suppressed: boolean }>('POST', '/api/privacy/suppressions/find', { who });
/** Lets all come back that one erasure keeps away. */
export const liftReceipt = (id: string, reason: string) =>
  act<{ lifted: number }>('POST', `/api/privacy/receipts/${id}/lift`, { reason });
export const liftSuppression = (who: string, reason: string) =>
  act('POST', '/api/privacy/suppressions/lift', { who, reason });
