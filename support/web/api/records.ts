/** What Support's staff interface sends, as the pages read it. Moments are ISO 8601 in UTC. */

export type Named = { id: string; name: string };
export type Availability = 'online' | 'away' | 'offline';
export type View = 'mine' | 'unassigned' | 'all' | 'bot' | 'snoozed' | 'ended';
export type Identity = 'claimed' | 'verified';
export type Author = 'visitor' | 'agent' | 'bot';

export type Session = {
  id: string;
  customer: { id: string; name: string; account_tier: string | null; email: string } | null;
  customer_id: string | null;
  widget: Named;
  agent: Named | null;
  identity: Identity;
  visitor_email: string | null;
  visitor_name: string | null;
  status: 'active' | 'ended';
  resolved: boolean | null;
  handler: 'bot' | 'agent';
  is_offline: boolean;
  snoozed_until: string | null;
  waiting_since: string | null;
  message_count: number;
  visitor_read_number: number;
  agent_read_number: number;
  page: { url: string; title: string | null } | null;
  language: string | null;
  time_zone: string | null;
  started_at: string;
  last_message_at: string | null;
  ended_at: string | null;
  last_message: { author: Author; body: string; created_at: string } | null;
};

export type Choice = { id: string; label: string };

export type Message = {
  id: string;
  /** Dense from 1 within the session. */
  number: number;
  author: Author;
  agent_name: string | null;
  client_id: string;
  body: string;
  choices: Choice[] | null;
  created_at: string;
};

export type EntryKind =
  | 'note'
  | 'claimed'
  | 'assigned'
  | 'released'
  | 'snoozed'
  | 'woken'
  | 'handed_over'
  | 'verified'
  | 'identified'
  | 'ended';

/** A note, or something that was done. */
export type Entry = {
  id: string;
  kind: EntryKind;
  agent: Named | null;
  to_agent: Named | null;
  body: string | null;
  created_at: string;
};

export type Counts = Record<Exclude<View, 'ended'>, number>;

export type Agent = {
  id: string;
  user_id: string;
  name: string;
  email: string;
  availability: Availability;
  is_active: boolean;
  widgets: Named[];
  open_sessions: number;
};
export type OwnAgent = { id: string; name: string; availability: Availability; widgets: Named[] };
export type StaffUser = { id: string; name: string; email: string; role: 'admin' | 'user'; is_agent: boolean };

export type Customer = {
  id: string;
  email: string;
  name: string;
  phone: string | null;
  version: number;
  account_tier: string | null;
  preferred_language: string | null;
  timezone: string | null;
  created_at: string;
  updated_at: string;
  created_by_app: 'foundation' | 'support';
};
export type CustomerFields = Pick<Customer, 'preferred_language' | 'timezone'>;

export type TierChange = {
  value: string | null;
  since: string;
  deal: { name: string } | null;
  by: { app: string; name: string | null };
  event: {
    id: number | string;
    position: number | null;
    occurred_at: string;
    numbered_at: string | null;
    trace: string | null;
    previous: string | null;
  };
};

export type PastSession = {
  id: string;
  started_at: string;
  ended_at: string | null;
  resolved: boolean | null;
  message_count: number;
  summary: string | null;
};

export type Context = {
  identity: Identity | null;
  customer: Customer | null;
  company: { id: string; name: string; domain: string | null } | null;
  crm: {
    account_manager_name: string | null;
    open_deals: number;
    open_deals_value: Record<string, number>;
    last_activity: { type: string; occurred_at: string; app: string } | null;
  } | null;
  /** Foundation could not be asked, and `reason` says why. */
  partial: boolean;
  reason: string | null;
  read_at: string;
  tier: TierChange | null;
  recent: { type: string; description: string; occurred_at: string; app: string }[];
  sessions: PastSession[];
  calls: Call[];
};

export type CallOutcome = 'resolved' | 'follow-up' | 'voicemail' | 'no-answer' | 'wrong-number';
export type Call = {
  id: string;
  customer: Named;
  agent: Named | null;
  direction: 'inbound' | 'outbound';
  number_e164: string;
  outcome: CallOutcome | null;
  notes: string | null;
  started_at: string;
  duration_seconds: number | null;
  created_at: string;
};
export type NewCall = {
  client_id: string;
  direction: Call['direction'];
  number: string;
  country?: string;
  email?: string;
  name?: string;
  outcome: CallOutcome;
  notes?: string;
  started_at: string;
  duration_seconds: number;
};
export type FoundBy = 'found-by-number' | 'found-by-email' | 'created';

export type CannedAnswer = { id: string; shortcut: string; title: string; body: string };

export type WidgetTexts = {
  title?: string;
  subtitle?: string;
  greeting?: string;
  placeholder?: string;
  offline?: string;
};
export type WidgetSettings = {
  language?: string;
  theme?: { color?: string; mode?: 'auto' | 'light' | 'dark'; position?: 'right' | 'left' };
  texts?: WidgetTexts;
  ask?: 'before' | 'never';
};
export type Widget = {
  id: string;
  key: string;
  name: string;
  is_active: boolean;
  allowed_origins: string[];
  settings: WidgetSettings;
  team: Named[];
  secrets: { id: string; created_at: string; retires_at: string | null }[];
  snippet: string;
};

export type Question = { id: string; label: string; keywords: string[]; answer: string; hand_over: boolean };
export const weekDays = ['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun'] as const;
export type WeekDay = (typeof weekDays)[number];
/** From and to, such as `['09:00', '17:00']`. */
export type Span = [string, string];
export type OfficeHours = { time_zone: string; days: Partial<Record<WeekDay, Span[]>> };
export type Rules = {
  greeting: string | null;
  questions: Question[];
  fallback: string;
  /** So many answers in a row that did not help, then an agent has it. */
  fallbacks_max: number;
  hand_over_text: string;
  office_hours: OfficeHours | null;
  out_of_hours_text: string;
};
export type Chatbot = { id: string; widget: Named; name: string; rules: Rules; is_live: boolean; version: number };
export type Turn = { author: 'visitor' | 'bot'; body: string; question_id?: string };
export type PreviewAnswer = { replies: { body: string; choices: Choice[] | null }[]; handler: 'bot' | 'agent' };

export type Found = {
  sessions: { id: string; visitor_name: string | null; status: Session['status']; started_at: string }[];
  customers: { id: string; name: string; email: string }[];
};
