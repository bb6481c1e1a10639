import { queryOptions } from '@tanstack/react-query';
import { act, ask } from '../api/asking.ts';

export const outcomes = ['created', 'updated', 'unchanged', 'held', 'rejected', 'excluded'] as const;
export type Outcome = (typeof outcomes)[number];
type Counts = Record<Outcome, number>;
export type DayOrder = 'day-first' | 'month-first';

export type Settings = {
  source?: string;
  mapping?: { column: string; field: string | null }[];
  answers?: {
    encoding?: string;
    sheet?: string;
    timezone?: string;
    dayOrder?: { column: string; order: DayOrder }[];
  };
  phoneCountry?: string;
};
export type Column = {
  name: string;
  heading: string;
  field: string | null;
  because: 'format' | 'heading' | 'values' | null;
  samples: string[];
  filled: number;
  shape: { phone: number; international: number; filled: number };
};
export type Question =
  | { kind: 'encoding'; choices: string[]; examples: string[]; assumed: string }
  | { kind: 'day-month'; column: string; choices: DayOrder[]; examples: string[]; isContradictory: boolean }
  | { kind: 'timezone'; columns: string[]; choices: string[]; examples: string[] }
  | { kind: 'sheet'; choices: string[]; examples: string[]; assumed: string };
export type Recognition = {
  format: string | null;
  label: string;
  holds: 'people' | 'companies' | 'users';
  layout: { kind: string; delimiter?: string; headerLine?: number | null; sheet?: string; sheets?: string[] };
  encoding: { encoding: string; by: 'mark' | 'bytes' | 'zeros' | 'guess'; badLines: number } | null;
  columns: Column[];
  questions: Question[];
  rows?: number;
};
type UploadFacts = {
  id: number;
  name: string;
  size: number;
  state: 'uploading' | 'stored' | 'recognised' | 'refused' | 'removed';
  refusal: string | null;
  is_remembered: boolean;
  began_at: string;
  actor: string | null;
  actor_name: string | null;
  login?: string;
  goes_at: string | null;
};
export type ImportFile = UploadFacts & { recognition: Recognition | null; settings: Settings };
export type ListedFile = UploadFacts & { label: string | null; recognition: { rows?: number } | null };

export type Progress = {
  phase?: string;
  file?: string;
  done?: number;
  total?: number;
  share?: number;
  perSecond?: number;
  secondsLeft?: number;
};
type ChangeSide = { n?: number; line?: number; customer?: string; name: string | null; email: string | null };
export type PairChange = {
  pairs: number;
  groups: number;
  examples: { sides: [ChangeSide, ChangeSide]; rule: string | null; reasons: string[] }[];
};
type Check = { question: string; expected: number; found: number };
export type Job = {
  id: number;
  kind: 'recognise' | 'plan' | 'replan' | 'whatif' | 'apply' | 'verify' | 'preview' | 'undo';
  upload: number | null;
  run: string | null;
  files: number[];
  state: 'waiting' | 'working' | 'done' | 'failed' | 'cancelled';
  progress: Progress;
  outcome: {
    conflicts?: number;
    verified?: { isRight: boolean; checks: Check[] };
    removed?: number;
    restored?: number;
    kept?: number;
    whatIf?: { matching: string[]; gained: PairChange; lost: PairChange };
  } | null;
  error: string | null;
  attempts: number;
  is_cancelled: boolean;
  asked_at: string;
  ended_at: string | null;
  actor: string | null;
  actor_name: string | null;
  login: string;
};
export type RunState = 'reading' | 'planned' | 'applying' | 'applied' | 'undoing' | 'undone' | 'abandoned';
export type ListedRun = {
  id: string;
  app: string;
  state: RunState;
  files: { source: string; name: string; lines: number }[];
  lines: number;
  planned: Counts;
  appliedTo: number;
  /** When a plan that nobody applies is given up. */
  goesAt: string | null;
  unmapped: Record<string, Record<string, number>>;
  createdAt: string;
  createdBy: string | null;
  createdByName: string | null;
};
export const thresholds = ['chance', 'family', 'group-size', 'review'] as const;
export type Threshold = (typeof thresholds)[number];
export type Run = ListedRun & {
  counts: Counts;
  changed: Record<string, number>;
  steps: {
    step: 'plan' | 'apply' | 'undo' | 'abandon';
    beganAt: string;
    endedAt: string | null;
    actor: string | null;
    actor_name: string | null;
    login: string;
    reason: string | null;
  }[];
  candidates: number;
  /** Answers that the plan does not follow yet. */
  newAnswers: number;
  matching: { rules: Record<string, boolean> } & Record<Threshold, number>;
  kept: number;
  jobs: Job[];
  uploads: { id: number; name: string; state: string }[];
};
type Person = { id: string; name: string; email: string | null };
export type Row = {
  n: number;
  line: number;
  outcome: Outcome;
  planned: Outcome | null;
  because: string | null;
  externalId: string | null;
  email: string | null;
  name: string | null;
  raw: string | null;
  person: Person | null;
  fills: { field: string; theirs: string | null }[];
  conflicts: { field: string; ours?: string | null; theirs: string | null }[];
};
type Side = { n: number; line: number; name: string | null; email: string | null; phone: string | null };
export type Answer = 'same' | 'different' | 'later';
export type Candidate = {
  score: number;
  reasons: string[];
  first: Side;
  second: Side | null;
  customer: Person | null;
  answer: Answer | null;
};
export type Kept = { n: number; person: Person | null; field: string; written: string | null; present: string | null };

const busyMs = 1_000;
const restMs = 5_000;
export const isOpen = ({ state }: Job): boolean => state === 'waiting' || state === 'working';

export const filesQuery = queryOptions({
  queryKey: ['imports', 'files'],
  queryFn: ({ signal }) => ask<{ files: ListedFile[]; jobs: Job[] }>('/api/imports/files', signal),
  refetchInterval: ({ state }) => (state.data?.jobs.some(isOpen) ? busyMs : restMs),
});
export const runsQuery = queryOptions({
  queryKey: ['imports', 'runs'],
  queryFn: ({ signal }) => ask<{ runs: ListedRun[] }>('/api/imports/runs', signal),
  refetchInterval: restMs,
});
type Several = { files: ImportFile[]; fields: { key: string; label: string; type: string }[] };
export const severalQuery = (ids: string) =>
  queryOptions({
    queryKey: ['imports', 'several', ids],
    queryFn: ({ signal }) => ask<Several>(`/api/imports/files/several?ids=${ids}`, signal),
    enabled: ids !== '',
    refetchInterval: ({ state }) => (state.data?.files.some(isBeingRead) ? busyMs : false),
  });
/** The worker has not looked at it, or counts its rows. */
export const isBeingRead = ({ state, recognition }: ImportFile): boolean =>
  state === 'stored' || (state === 'recognised' && recognition?.rows === undefined);
export const jobQuery = (job: number) =>
  queryOptions({
    queryKey: ['imports', 'job', job],
    queryFn: ({ signal }) => ask<Job>(`/api/imports/jobs/${job}`, signal),
    refetchInterval: ({ state }) => (state.data && !isOpen(state.data) ? false : busyMs),
  });
export const runQuery = (run: string) =>
  queryOptions({
    queryKey: ['imports', 'run', run],
    queryFn: ({ signal }) => ask<Run>(`/api/imports/runs/${run}`, signal),
    refetchInterval: ({ state }) => (state.data?.jobs.some(isOpen) ? busyMs : restMs),
    retry: false,
  });
export const rowsQuery = (run: string, show: Outcome | 'conflicts', limit: number, stamp: string) =>
  queryOptions({
    queryKey: ['imports', 'run', run, 'rows', show, limit, stamp],
    queryFn: ({ signal }) =>
      ask<{ rows: Row[]; next_after: number | null }>(
        `/api/imports/runs/${run}/rows?${show === 'conflicts' ? 'conflicts=true' : `outcome=${show}`}&limit=${limit}`,
        signal,
      ),
    placeholderData: (before) => before,
  });
export const candidatesQuery = (run: string, limit: number, stamp: string) =>
  queryOptions({
    queryKey: ['imports', 'run', run, 'candidates', limit, stamp],
    queryFn: ({ signal }) =>
      ask<{ candidates: Candidate[] }>(`/api/imports/runs/${run}/candidates?limit=${limit}`, signal),
    placeholderData: (before) => before,
  });
export const keptQuery = (run: string, stamp: string) =>
  queryOptions({
    queryKey: ['imports', 'run', run, 'kept', stamp],
    queryFn: ({ signal }) => ask<{ preview: Kept[]; undone: Kept[] }>(`/api/imports/runs/${run}/kept`, signal),
  });

export const saveSettings = (file: number, settings: Settings) =>
  act('POST', `/api/imports/files/${file}/settings`, settings);
export const removeFile = (file: number) => act('DELETE', `/api/imports/files/${file}`);
export const askPlan = (wish: { app: string; files: number[]; overwrite: string[]; again: boolean }) =>
  act<{ job: number }>('POST', '/api/imports/plans', wish);
export const askStep = (run: string, step: 'apply' | 'verify' | 'preview' | 'undo', reason?: string) =>
  act<{ job: number }>('POST', `/api/imports/runs/${run}/${step}`, { ...(reason && { reason }) });
export const answerPair = (run: string, pair: { n: number; other_n?: number; customer?: string }, answer: Answer) =>
  act<{ changes_plan: boolean }>('POST', `/api/imports/runs/${run}/answers`, { ...pair, answer });
export const replanRun = (run: string, matching?: string[]) =>
  act<{ job: number }>('POST', `/api/imports/runs/${run}/replan`, { ...(matching && { matching }) });
export const askWhatIf = (run: string, matching: string[]) =>
  act<{ job: number }>('POST', `/api/imports/runs/${run}/what-if`, { matching });
export const abandonRun = (run: string, reason: string) => act('POST', `/api/imports/runs/${run}/abandon`, { reason });
export const cancelJob = (job: number) => act('DELETE', `/api/imports/jobs/${job}`);
