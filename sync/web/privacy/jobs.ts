import { readRefusal } from '@aether/ui/refusal.ts';
import { send } from '@aether/ui/request.ts';
import { keepPreviousData, queryOptions } from '@tanstack/react-query';
import type { Listed, ListRefusal } from '../../privacy/lists.ts';
import { act, ask } from '../api/asking.ts';
import type { Act } from './queries.ts';

export type Job = {
  id: string;
  reason: string;
  begun_at: string;
  begun_by: string;
  begun_by_name: string | null;
  run_at: string | null;
  run_by: string | null;
  run_by_name: string | null;
  stopped_at: string | null;
  stopped_by: string | null;
  stopped_by_name: string | null;
  is_running: boolean;
  people: number;
  open: number;
  unread: number;
  asked: number;
  erased: number;
  refused: { refusal: ListRefusal; why: string; lines: number }[];
  again: number;
  left: number;
  per_second: number | null;
  seconds_left: number | null;
};
export type JobDetail = Job & { confirmable: number; is_cleaning: boolean };
export type JobLine = {
  place: number;
  line: number;
  state: 'open' | 'asked' | 'erased' | 'refused';
  customer: string | null;
  receipt: string | null;
  refusal: ListRefusal | null;
  why: string | null;
};

type LinePreview = {
  line: number;
  state: 'present' | 'before' | 'refused';
  customer: string | null;
  records: number;
  refusal: ListRefusal | null;
  why: string | null;
  tables: { table: string; act: Act; rows: number }[];
  events: number;
  asked_by: string | null;
};

/** What erasing a list would do, all in all. */
export type DryRun = {
  /** People who would be erased, each once. */
  people: number;
  /** Of them, records that were merged into another one of theirs. */
  merged: number;
  /** Lines that name somebody again, or who was erased before. */
  before: number;
  refused: { line: number; refusal: ListRefusal; why: string }[];
  tables: { table: string; act: Act; rows: number }[];
  events: number;
  needsTwo: boolean;
  /** Of the people, who were asked for, by whom. */
  asked: string[];
};

/** So many people are looked at by one call. */
const partOf = 50;
/** A line that is longer names nobody. */
const charactersMax = 301;

/** Looks at a list in parts. Nothing is changed. @throws Refusal */
export async function previewList(
  list: Listed[],
  { onProgress, signal }: { onProgress: (lookedAt: number) => void; signal: AbortSignal },
): Promise<DryRun> {
  const people = new Set<string>();
  const sums = new Map<string, DryRun['tables'][number]>();
  const seen: DryRun = {
    people: 0,
    merged: 0,
    before: 0,
    refused: [],
    tables: [],
    events: 0,
    needsTwo: false,
    asked: [],
  };
  for (let from = 0; from < list.length; from += partOf) {
    const part = list.slice(from, from + partOf);
    const answer = await send('/api/privacy/jobs/preview', {
      method: 'POST',
      headers: { 'Content-Type': 'application/octet-stream' },
      body: part.map(({ who }) => who.slice(0, charactersMax)).join('\n'),
      signal,
    });
    if (!answer.ok) throw await readRefusal(answer);
    const { lines, needs_two } = (await answer.json()) as { lines: LinePreview[]; needs_two: boolean };
    seen.needsTwo ||= needs_two;
    for (const { line, state, customer, records, refusal, why, tables, events, asked_by } of lines) {
      if (refusal) seen.refused.push({ line: part[line - 1]?.line ?? 0, refusal, why: why ?? '' });
      else if (state === 'before' || !customer || people.has(customer)) seen.before += 1;
      else {
        people.add(customer);
        seen.merged += records - 1;
        seen.events += events;
        if (asked_by !== null) seen.asked.push(asked_by);
        for (const { table, act: how, rows } of tables) {
          const sum = sums.get(`${table} ${how}`)?.rows ?? 0;
          sums.set(`${table} ${how}`, { table, act: how, rows: sum + rows });
        }
      }
    }
    onProgress(Math.min(from + partOf, list.length));
  }
  return {
    ...{ ...seen, people: people.size },
    tables: [...sums.values()].sort((one, other) => (one.table < other.table ? -1 : 1)),
  };
}

/** Begins the job of a list, or goes on with it. @throws Refusal */
export async function beginJob(list: Listed[], reason: string): Promise<{ id: string }> {
  // The numbers of the lines stay: a line that names nobody is sent as an empty one.
  const lines: string[] = Array(list.at(-1)?.line ?? 0).fill('');
  for (const { line, who } of list) lines[line - 1] = who;
  const answer = await send(`/api/privacy/jobs?${new URLSearchParams({ reason })}`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/octet-stream' },
    body: lines.join('\n'),
  });
  if (!answer.ok) throw await readRefusal(answer);
  return answer.json();
}

export const jobsQuery = queryOptions({
  queryKey: ['privacy', 'jobs'],
  staleTime: 0,
  queryFn: ({ signal }) => ask<{ jobs: Job[] }>('/api/privacy/jobs', signal),
  refetchInterval: ({ state }) => (state.data?.jobs.some(({ is_running }) => is_running) ? 3_000 : false),
});

/** One that is not done with is looked at again: also another person may go on with it. */
export const jobQuery = (id: string) =>
  queryOptions({
    queryKey: ['privacy', 'jobs', id],
    staleTime: 0,
    queryFn: ({ signal }) => ask<JobDetail>(`/api/privacy/jobs/${id}`, signal),
    refetchInterval: ({ state: { data } }) =>
      data?.is_running ? 1_000 : data?.is_cleaning ? 3_000 : data && data.open + data.asked > 0 ? 10_000 : false,
  });

/** Lines of a job, up to a hundred. @param version makes it another question when the job has moved on */
export const linesQuery = (id: string, state: JobLine['state'] | undefined, after: number, version: string) =>
  queryOptions({
    queryKey: ['privacy', 'jobs', id, 'lines', state, after, version],
    queryFn: ({ signal }) =>
      ask<{ lines: JobLine[]; next: number | null }>(
        `/api/privacy/jobs/${id}/lines?after=${after}${state ? `&state=${state}` : ''}`,
        signal,
      ),
    placeholderData: keepPreviousData,
  });

export const stopJob = (id: string) => act<{ stopped: boolean }>('POST', `/api/privacy/jobs/${id}/stop`, {});
export const runJob = (id: string) => act<{ id: string }>('POST', `/api/privacy/jobs/${id}/run`, {});

/** Where a job is, in a word or two, and whether that needs somebody. */
export function sayJob({ is_running, open, unread, asked, stopped_at }: Job): { tone: Tone; words: string } {
  if (is_running) return { tone: 'accent', words: unread > 0 ? 'its list is being read' : 'runs' };
  if (open > 0) return { tone: 'warn', words: stopped_at ? 'stopped' : 'was cut off' };
  return asked > 0 ? { tone: 'warn', words: 'waits for a second person' } : { tone: 'good', words: 'done' };
}
type Tone = 'accent' | 'warn' | 'good';

/** How many lines of a job erase nobody. */
export const countRefused = ({ refused }: Pick<Job, 'refused'>): number =>
  refused.reduce((sum, { lines }) => sum + lines, 0);
