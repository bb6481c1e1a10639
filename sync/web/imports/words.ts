import { formatDuration, formatNumber } from '@aether/ui/formats.ts';
import type { Job, Outcome, Progress, Recognition, RunState, Threshold } from './queries.ts';

/** What a column can be, in the order of a picker. */
export const fieldNames: Record<string, string> = {
  id: 'Id in the old app',
  email: 'E-mail address',
  name: 'Whole name',
  first_name: 'First name',
  last_name: 'Last name',
  phone: 'Telephone number',
  company: 'Company',
  domain: 'Domain of the company',
  city: 'City',
  birth_date: 'Date of birth',
  tier: 'Tier',
  owner: 'Account manager',
  language: 'Language',
  timezone: 'Time zone',
  created_at: 'Customer since',
  note: 'Note',
  tag: 'Tag',
};

export const outcomeNames: Record<Outcome, string> = {
  created: 'Created',
  updated: 'Updated',
  unchanged: 'Unchanged',
  held: 'Held',
  rejected: 'Rejected',
  excluded: 'Excluded',
};

/** What becomes of the lines with an outcome. */
export const outcomeMeanings: Record<Outcome, string> = {
  created: 'These become customers.',
  updated: 'These give something to customers that are there already. A value that is there stays.',
  unchanged: 'These bring nothing new, or are another line of the same person.',
  held: 'These change nothing until a person has looked at them.',
  rejected: 'These cannot be read. Download them, mend them, and upload the file again.',
  excluded: 'These must not become customers.',
};

export const stateNames: Record<RunState, string> = {
  reading: 'Being planned',
  planned: 'Planned',
  applying: 'Partly applied',
  applied: 'Applied',
  undoing: 'Partly undone',
  undone: 'Undone',
  abandoned: 'Abandoned',
};

/** What a rule joins, by its name. */
export const ruleNames: Record<string, string> = {
  address: 'One e-mail address',
  'external-id': 'One id of one source',
  'phone-and-name': 'One telephone number and one whole name',
  'birth-date-and-name': 'One date of birth and one name',
  'similar-address-and-name': 'Addresses that differ by a slip, and one name',
  'name-and-place': 'One whole name and one city or company',
};

export const thresholdNames: Record<
  Threshold,
  { label: string; detail: string; step: number; min: number; max: number }
> = {
  chance: {
    label: 'Chance',
    detail: 'A rule joins if fewer others than this would agree as well by chance.',
    step: 0.001,
    min: 0,
    max: 1,
  },
  family: { label: 'Family', detail: 'So many people may have one address.', step: 1, min: 1, max: 100 },
  'group-size': {
    label: 'Largest group',
    detail: 'So many different lines may be one person.',
    step: 1,
    min: 2,
    max: 1000,
  },
  review: { label: 'Least probability', detail: 'Pairs below it are not asked about.', step: 0.01, min: 0, max: 1 },
};

export const unmappedNames: Record<string, string> = {
  column: 'Columns that mean nothing here',
  tier: 'Tiers that nobody has made',
  owner: 'Account managers who have no user here',
  company: 'Companies, which need a field that a file cannot fill',
  custom: 'Custom fields that do not exist, or do not take these values',
  tag: 'Tags, which have no place here',
};

/** `custom.lead_status` → `Custom field lead_status`, `address:a@b.org` → `Address a@b.org`, `crm.deals` → `deals`. Pure. */
export function sayField(field: string): string {
  const [, kind, rest] = /^(custom\.|address:|phone:|note:|company:)(.*)$/.exec(field) ?? [];
  if (kind === 'custom.') return `Custom field ${rest}`;
  if (kind === 'address:') return `Address ${rest}`;
  if (kind === 'phone:') return `Number ${rest}`;
  if (kind === 'note:') return 'Note';
  if (kind === 'company:') return `Company ${rest?.replace(/^(domain|name):/, '')}`;
  if (field === 'merged') return 'Merged into another customer';
  if (field === 'erased') return 'Erased';
  if (field === 'email') return 'E-mail address';
  const words = (field.split('.').at(-1) as string).replaceAll('_', ' ');
  return words.charAt(0).toUpperCase() + words.slice(1);
}

const phases: Record<string, string> = {
  counting: 'Counting rows',
  reading: 'Reading',
  deciding: 'Comparing with each other and with the customers',
  applying: 'Applying',
  verifying: 'Comparing with the database',
  previewing: 'Trying the undo, and taking it back',
  undoing: 'Undoing',
};
const waiting: Record<Job['kind'], string> = {
  recognise: 'Looking at the file',
  plan: 'Planning',
  replan: 'Deciding the plan again',
  whatif: 'Comparing with other rules',
  apply: 'Applying',
  verify: 'Verifying',
  preview: 'Trying the undo',
  undo: 'Undoing',
};

/** `Reading old.csv: 120,000 rows, 52,000 a second, 12 s left`. Pure. */
export function sayProgress({
  kind,
  state,
  is_cancelled,
  progress,
}: Pick<Job, 'kind' | 'state' | 'is_cancelled' | 'progress'>): string {
  if (is_cancelled) return 'It is being stopped.';
  if (state === 'waiting') return `${waiting[kind]}: waits for the worker.`;
  const { phase, file, done, total, perSecond, secondsLeft }: Progress = progress;
  const head = phase ? `${phases[phase] ?? phase}${file ? ` ${file}` : ''}` : waiting[kind];
  const unit = phase === 'reading' || phase === 'counting' ? 'rows' : 'lines';
  const parts = [
    done !== undefined &&
      (total === undefined ? `${formatNumber(done)} ${unit}` : `${formatNumber(done)} of ${formatNumber(total)} lines`),
    perSecond !== undefined && `${formatNumber(perSecond)} a second`,
    secondsLeft !== undefined && `${formatDuration(secondsLeft)} left`,
  ].filter(Boolean);
  return parts.length > 0 ? `${head}: ${parts.join(', ')}` : `${head} …`;
}

const delimiters: Record<string, string> = { ',': 'commas', ';': 'semicolons', '\t': 'tabs', '|': 'bars' };
const howEncoded: Record<string, string> = {
  mark: 'by its mark',
  bytes: 'all of it is valid',
  zeros: 'by its zero bytes',
  guess: 'a guess',
};

/** What was recognised, in short parts. Pure. */
export function sayRecognition({ label, layout, encoding, columns, rows, holds }: Recognition): string[] {
  return [
    label,
    holds === 'people' ? '' : `completes people: ${holds}`,
    rows === undefined ? 'rows are being counted' : `${formatNumber(rows)} rows`,
    `${columns.length} columns`,
    layout.sheet ? `sheet ${layout.sheet}` : '',
    layout.delimiter ? `${delimiters[layout.delimiter] ?? layout.delimiter} between cells` : '',
    layout.headerLine ? `header in line ${layout.headerLine}` : layout.headerLine === null ? 'no header' : '',
    encoding ? `${encoding.encoding.toUpperCase()} (${howEncoded[encoding.by]})` : '',
    encoding && encoding.badLines > 0
      ? `${formatNumber(encoding.badLines)} lines are no text and will be rejected`
      : '',
  ].filter(Boolean);
}

/** `1.2 MB`. Pure. */
export function saySize(bytes: number): string {
  if (bytes < 1_000) return `${bytes} bytes`;
  const [unit, size] = bytes < 1e6 ? ['kB', 1e3] : bytes < 1e9 ? ['MB', 1e6] : ['GB', 1e9];
  return `${formatNumber(Math.round((bytes / (size as number)) * 10) / 10)} ${unit}`;
}
