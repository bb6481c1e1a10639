import { cutSpan, offsetsOf, type Piece, type PieceSize, type Span } from '@aether/http';
import { collectValues, type Paging, type Parameter, type Placed, type Queryable, readList } from '@aether/platform';
import { mayList, type Reader } from '../conversations/readers.ts';
import { type Session, sessionColumns, sessionTables } from '../conversations/sessions.ts';

/*
 * Reports of conversations in which a visitor has written; one that was only opened is none. A conversation belongs to the day on which
 * the visitor first wrote. What the reader may not read is in no number: the condition is that of the lists.
 */

/** What became of a conversation. */
export const outcomes = ['answered', 'missed', 'bot', 'open', 'resolved', 'rated'] as const;
export type Outcome = (typeof outcomes)[number];

const matching: Record<Outcome, string> = {
  /** An agent has answered. */
  answered: 's.first_answered_at is not null',
  /** It is over; the visitor has waited for a person, and none has answered. */
  missed: `s.status = 'ended' and s.first_waited_at is not null and s.first_answered_at is null`,
  /** It is over, and nobody but the bot was needed. */
  bot: `s.status = 'ended' and s.first_waited_at is null and s.first_answered_at is null`,
  open: `s.status = 'active'`,
  resolved: `s.status = 'ended' and s.resolved`,
  rated: 'exists (select from support.ratings x where x.session_id = s.id)',
};

export type ReportFilters = {
  widget?: string | undefined;
  agent?: string | undefined;
  /** Only those that no agent has. */
  unassigned?: boolean | undefined;
};

function matchReported(
  reader: Reader,
  { begins, ends }: Span,
  { widget, agent, unassigned }: ReportFilters,
  parameter: Parameter,
): string[] {
  return [
    `s.asked_at >= ${parameter(begins, 'timestamptz')}`,
    `s.asked_at < ${parameter(ends, 'timestamptz')}`,
    mayList(reader, parameter(reader.agentId, 'uuid'), parameter),
    ...(widget === undefined ? [] : [`s.widget_id = ${parameter(widget, 'uuid')}`]),
    ...(agent === undefined ? [] : [`s.agent_id = ${parameter(agent, 'uuid')}`]),
    ...(unassigned ? ['s.agent_id is null'] : []),
  ];
}

/** Seconds within which half of them were, and nine of ten; null if there is none. */
export type Times = { median: number | null; p90: number | null };

export type ChatFigures = {
  chats: number;
  answered: number;
  missed: number;
  bot: number;
  open: number;
  resolved: number;
  /** From the moment at which the visitor waited for a person to the first answer of one. */
  first_response: Times;
  /** From the visitor's first message to the end of resolved conversations. */
  resolution: Times;
  ended: number;
  rated: number;
  /** The mean score; null if nobody has rated. */
  score: number | null;
  /** How many gave each score, from 1 to 5. */
  scores: number[];
};

type Named = { id: string; name: string };
export type PeriodRow = Piece & ChatFigures;
export type WidgetRow = { widget: Named } & ChatFigures;
export type AgentRow = { agent: Named | null } & ChatFigures;

/** SQL: seconds as float8. `extract` would give numeric, which takes longer than all else that is reckoned of a conversation. */
const secondsBetween = (from: string, to: string) => `greatest(date_part('epoch', ${to} - ${from}), 0)`;

/** What is reckoned of a conversation, once for all parts of a report: whatever is wider is sorted for each part. */
const reckoned = {
  ...{ answered: matching.answered, missed: matching.missed, bot: matching.bot },
  ...{ open: matching.open, resolved: matching.resolved, ended: `s.status = 'ended'` },
  // Who was spoken to first has not waited.
  first_response: `case when s.first_answered_at >= s.first_waited_at
    then ${secondsBetween('s.first_waited_at', 's.first_answered_at')} end`,
  resolution: `case when ${matching.resolved} then ${secondsBetween('s.asked_at', 's.ended_at')} end`,
};
/** Seconds within which half of them were, and nine of ten, of those that have any. */
const timesOf = (name: 'first_response' | 'resolution') =>
  `percentile_cont(array[0.5, 0.9]) within group (order by s.${name}) as ${name}`;

type Row = Omit<ChatFigures, 'first_response' | 'resolution'> & {
  part: number;
  piece: number | null;
  widget: string | null;
  agent: string | null;
  first_response: number[] | null;
  resolution: number[] | null;
};

/** The conversations of a span by time, by widget and by agent, read once for all of them. */
export async function reportChats(
  on: Queryable,
  reader: Reader,
  { span, by, ...filters }: ReportFilters & { span: Span; by?: PieceSize | undefined },
): Promise<{ periods: PeriodRow[]; widgets: WidgetRow[]; agents: AgentRow[]; total: ChatFigures }> {
  const pieces = cutSpan(span, by);
  const { values, parameter } = collectValues();
  const begins = parameter(
    pieces.map((piece) => piece.begins),
    'timestamptz[]',
  );
  const rows = await on.query<Row>(
    `with s as materialized (
       select width_bucket(s.asked_at, ${begins}) as piece, s.widget_id as widget, s.agent_id as agent, g.score,
         ${Object.entries(reckoned)
           .map(([name, value]) => `${value} as ${name}`)
           .join(',\n         ')}
       from support.sessions s left join support.ratings g on g.session_id = s.id
       where ${matchReported(reader, span, filters, parameter).join(' and ')})
     select grouping(s.piece, s.widget, s.agent) as part, s.piece, s.widget, s.agent, count(*)::integer as chats,
       ${(['answered', 'missed', 'bot', 'open', 'resolved', 'ended'] as const)
         .map((outcome) => `count(*) filter (where s.${outcome})::integer as ${outcome}`)
         .join(',\n       ')},
       count(s.score)::integer as rated, round(avg(s.score), 2)::float8 as score,
       array[${[1, 2, 3, 4, 5].map((score) => `count(*) filter (where s.score = ${score})`).join(', ')}]::integer[] as scores,
       ${timesOf('first_response')}, ${timesOf('resolution')}
     from s group by grouping sets ((s.piece), (s.widget), (s.agent), ())`,
    values,
  );
  const [widgets, agents] = await Promise.all([
    on.query<Named>('select id, name from support.widgets where id = any ($1)', [
      rows.flatMap(({ part, widget }) => (part === parts.widget && widget ? [widget] : [])),
    ]),
    on.query<Named>(
      'select a.id, u.name from support.agents a join platform.users u on u.id = a.user_id where a.id = any ($1)',
      [rows.flatMap(({ part, agent }) => (part === parts.agent && agent ? [agent] : []))],
    ),
  ]);
  const named = new Map([...widgets, ...agents].map((each) => [each.id, each]));
  const byPiece = new Map(
    rows.filter(({ part }) => part === parts.piece).map((row) => [row.piece, figuresOf(row)] as const),
  );
  const byChats = (one: ChatFigures, other: ChatFigures) => other.chats - one.chats;
  const total = rows.find(({ part }) => part === parts.total);
  return {
    periods: pieces.map((piece, index) => ({ ...piece, ...(byPiece.get(index + 1) ?? nothing) })),
    widgets: rows
      .filter(({ part }) => part === parts.widget)
      .map((row) => ({ widget: named.get(row.widget ?? '') as Named, ...figuresOf(row) }))
      .sort(byChats),
    agents: rows
      .filter(({ part }) => part === parts.agent)
      .map((row) => ({ agent: named.get(row.agent ?? '') ?? null, ...figuresOf(row) }))
      .sort(byChats),
    total: total ? figuresOf(total) : nothing,
  };
}

/** What `grouping` says of each part: a bit for each of piece, widget and agent that is not a key of it. */
const parts = { piece: 0b011, widget: 0b101, agent: 0b110, total: 0b111 };

const nothing: ChatFigures = {
  chats: 0,
  answered: 0,
  missed: 0,
  bot: 0,
  open: 0,
  resolved: 0,
  first_response: { median: null, p90: null },
  resolution: { median: null, p90: null },
  ended: 0,
  rated: 0,
  score: null,
  scores: [0, 0, 0, 0, 0],
};

function figuresOf({ part: _, piece: __, widget: ___, agent: ____, first_response, resolution, ...rest }: Row) {
  return { ...rest, first_response: readTimes(first_response), resolution: readTimes(resolution) };
}

const readTimes = (found: number[] | null): Times => ({
  median: found?.[0] === undefined ? null : Math.round(found[0]),
  p90: found?.[1] === undefined ? null : Math.round(found[1]),
});

/** The hour of the week on the clocks of the span's zone, from 0 on Monday at midnight to 167. */
function hourOfWeek(span: Span, parameter: Parameter): string {
  const { begins, minutes } = offsetsOf(span);
  const clock = `(s.asked_at at time zone 'UTC' + make_interval(mins =>
    (${parameter(minutes, 'integer[]')})[width_bucket(s.asked_at, ${parameter(begins, 'timestamptz[]')})]))`;
  return `((extract(isodow from ${clock})::integer - 1) * 24 + extract(hour from ${clock})::integer)`;
}

/** How many conversations began in each hour of the week: seven days from Monday on, of 24 hours each. */
export async function reportHours(
  on: Queryable,
  reader: Reader,
  { span, ...filters }: ReportFilters & { span: Span },
): Promise<number[][]> {
  const { values, parameter } = collectValues();
  const rows = await on.query<{ hour: number; chats: number }>(
    `select ${hourOfWeek(span, parameter)} as hour, count(*)::integer as chats from support.sessions s
     where ${matchReported(reader, span, filters, parameter).join(' and ')} group by 1`,
    values,
  );
  const counts = new Map(rows.map(({ hour, chats }) => [hour, chats]));
  return Array.from({ length: 7 }, (_, day) =>
    Array.from({ length: 24 }, (_, hour) => counts.get(day * 24 + hour) ?? 0),
  );
}

export type ListFilters = ReportFilters & {
  span: Span;
  outcome?: Outcome | undefined;
  score?: number | undefined;
  /** Of the week, as `hourOfWeek` counts. */
  hour?: number | undefined;
};

/** The conversations behind a number of a report, the newest first. */
export function listReported(
  on: Queryable,
  reader: Reader,
  { span, outcome, score, hour, widget, agent, unassigned, ...paging }: ListFilters & Paging,
): Promise<Placed<Session>[]> {
  const order = { by: 's.asked_at', type: 'timestamptz', id: 's.id', idType: 'uuid' };
  return readList<Session>(on, { order, direction: 'desc', ...paging }, (parameter) => ({
    columns: sessionColumns,
    from: sessionTables,
    where: [
      ...matchReported(reader, span, { widget, agent, unassigned }, parameter),
      ...(outcome ? [matching[outcome]] : []),
      ...(score === undefined
        ? []
        : [
            `exists (select from support.ratings x where x.session_id = s.id and x.score = ${parameter(score, 'smallint')})`,
          ]),
      ...(hour === undefined ? [] : [`${hourOfWeek(span, parameter)} = ${parameter(hour, 'integer')}`]),
    ],
  }));
}

export type Comment = {
  session_id: string;
  score: number;
  comment: string;
  created_at: Date;
  customer: Named | null;
  visitor_name: string | null;
  widget: Named;
  agent: Named | null;
};

/** What visitors have written beside their scores, the newest first. */
export function listComments(
  on: Queryable,
  reader: Reader,
  { span, widget, agent, unassigned, ...paging }: ReportFilters & { span: Span } & Paging,
): Promise<Placed<Comment>[]> {
  const order = { by: 'g.created_at', type: 'timestamptz', id: 'g.id', idType: 'uuid' };
  return readList<Comment>(on, { order, direction: 'desc', ...paging }, (parameter) => ({
    columns: `s.id as session_id, g.score::integer, g.comment, g.created_at, s.visitor_name,
      jsonb_build_object('id', w.id, 'name', w.name) as widget,
      case when c.id is not null then jsonb_build_object('id', c.id, 'name', c.name) end as customer,
      case when a.id is not null then jsonb_build_object('id', a.id, 'name', u.name) end as agent`,
    from: `support.ratings g join support.sessions s on s.id = g.session_id join support.widgets w on w.id = s.widget_id
      left join platform.customers k on k.id = s.customer_id left join platform.customers c on c.id = coalesce(k.merged_into, k.id)
      left join support.agents a on a.id = s.agent_id left join platform.users u on u.id = a.user_id`,
    where: ['g.comment is not null', ...matchReported(reader, span, { widget, agent, unassigned }, parameter)],
  }));
}
