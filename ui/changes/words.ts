import { formatDay, formatMoment, formatNumber } from '../formats.ts';
import type { Act, Change, Field } from './calls.ts';

/** What settings are called, by their kinds. */
export const kindNames: Readonly<Record<string, string>> = {
  agent: 'Agent',
  app: 'App',
  canned_answer: 'Canned answer',
  chatbot: 'Chatbot',
  currency: 'Currency',
  custom_field: 'Custom field',
  limit: 'Limit',
  loss_reason: 'Loss reason',
  pipeline: 'Pipeline',
  privacy: 'Privacy',
  report_settings: 'Reports',
  retention: 'Retention',
  sharing: 'Sharing',
  tag: 'Tag',
  team: 'Team',
  tier: 'Tier',
  user: 'User',
  view: 'Shared view',
  webhook: 'Webhook',
  widget: 'Widget',
};

const partNames: Readonly<Record<string, string>> = {
  agent: 'agent',
  event: 'event',
  machine: 'machine',
  member: 'member',
  rate: 'rate',
  secret: 'secret',
  stage: 'stage',
};

const fieldNames: Readonly<Record<string, string>> = {
  allowed_origins: 'Websites',
  ask: 'Asks for name and address',
  asks_rating: 'Asks for a rating',
  assigning: 'Gives conversations',
  choice: 'Speaks, where the page does not say it',
  backups_kept_days: 'Days that backups are kept',
  de: 'German',
  disabled_reason: 'Disabled because',
  en: 'English',
  ends_after_hours: 'Ends by itself after hours',
  ends_at: 'Holds until',
  es: 'Spanish',
  fallbacks_max: 'Fallbacks before a person',
  first_answer_minutes: 'First answer within minutes',
  fr: 'French',
  is_active: 'Active',
  is_default: 'Default',
  is_given_up: 'Given up by the worker',
  is_live: 'Live',
  is_required: 'Required',
  is_retired: 'Retired',
  is_shared: 'Shared',
  is_withdrawn: 'Withdrawn',
  languages: 'Also speaks',
  left_at: 'Left',
  open_max: 'Most open conversations of an agent',
  owner_id: 'Owner',
  probability_percent: 'Probability in percent',
  record: 'Of',
  reopens_days: 'Opens again for days',
  resolve_minutes: 'Solved within minutes',
  retires_at: 'Holds until',
  team_id: 'Team',
  tr: 'Turkish',
  translations: 'In other languages',
  two_people: 'Two people for an erasure',
  types: 'Events',
  url: 'Address',
  valid_from: 'From',
  widget_id: 'Widget',
  with_amounts: 'With amounts',
};

/** Objects whose name says nothing more than their fields do. */
const unsaid = new Set(['settings', 'rules']);

const languages = { en: 'English', de: 'German', fr: 'French', es: 'Spanish', tr: 'Turkish' };
const wordsOfValues: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  language: languages,
  ask: { before: 'before the first message', never: 'never' },
  choice: { fixed: 'its own language', browser: 'as the visitor’s browser' },
  role: { admin: 'administrator', steward: 'data steward', user: 'staff', reader: 'reader' },
  readers: { nobody: 'nobody', managers: 'account managers', everybody: 'everybody' },
  assigning: { none: 'to nobody', round_robin: 'in turns', least_open: 'to who has the fewest' },
};

/** `settings.texts.greeting` → `Texts › Greeting`. Pure. */
export function sayField(field: string): string {
  const parts = field.split('.');
  const said = parts.length > 1 ? parts.filter((part, place) => place > 0 || !unsaid.has(part)) : parts;
  return said.map((part) => fieldNames[part] ?? asWords(part)).join(' › ');
}

const asWords = (name: string) => {
  const words = name.replaceAll('_', ' ');
  return words.charAt(0).toUpperCase() + words.slice(1);
};

/** A value in words. Pure but for the person's locale. */
export function sayValue(field: string, value: Field['before']): string {
  if (value === undefined || value === null || value === '') return 'nothing';
  if (typeof value === 'boolean') return value ? 'yes' : 'no';
  if (typeof value === 'number') return formatNumber(value);
  if (/^\d{4}-\d{2}-\d{2}$/.test(value)) return formatDay(value);
  if (/^\d{4}-\d{2}-\d{2}T[\d:.]+(Z|[+-]\d{2}:?\d{2})$/.test(value)) return formatMoment(value);
  return wordsOfValues[field.split('.').at(-1) ?? field]?.[value] ?? value;
}

const verbs = { created: 'was added', changed: 'was changed', removed: 'was removed' };

/** What a change is about: `Pipeline Sales, stage Proposal`. Pure. */
export function sayAbout({
  kind,
  name,
  part,
  part_name,
}: Pick<Change, 'kind' | 'name' | 'part' | 'part_name'>): string {
  const whole = [kindNames[kind] ?? asWords(kind), name].filter(Boolean).join(' ');
  if (part === null) return whole;
  // The key of a secret says nothing to anybody.
  const named = part === 'secret' ? undefined : part_name;
  return `${whole}, ${[partNames[part] ?? part, named && sayValue('', named)].filter(Boolean).join(' ')}`;
}

export const sayVerb = ({ change }: Pick<Change, 'change'>): string => verbs[change];

/** Who did it, and by which app. Pure. */
export function sayWho({ actor, actor_name, app, login }: Pick<Act, 'actor' | 'actor_name' | 'app' | 'login'>): string {
  return actor_name ?? actor ?? (app === 'operator' ? `the login ${login}` : 'nobody who was named');
}

const appNames: Readonly<Record<string, string>> = {
  foundation: 'in Foundation',
  support: 'in Support',
  console: 'in Sync Health',
  sync: 'by the worker',
  privacy: 'in Sync Health',
  operator: 'by SQL or a command',
};
export const sayApp = (app: string): string => appNames[app] ?? `in ${app}`;

/** The part of a trace that all servers share. Pure. */
export const traceOf = (trace: string | null): string | undefined =>
  trace === null ? undefined : (/^[0-9a-f]{2}-([0-9a-f]{32})-/.exec(trace)?.[1] ?? trace);
