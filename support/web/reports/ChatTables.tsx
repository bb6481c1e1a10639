import { formatDay, formatDuration, formatNumber } from '@aether/ui/formats.ts';
import { Bars } from '@aether/ui/reports/Bars.tsx';
import { Report } from '@aether/ui/reports/Report.tsx';
import { type ReportColumn, ReportTable } from '@aether/ui/reports/ReportTable.tsx';
import { shortDay } from '@aether/ui/reports/spans.ts';
import type { Asked, ChatFigures, ChatReport, Outcome } from '../api/reports.ts';
import { ChatsLink } from './ChatsLink.tsx';
import type { ListSearch } from './search.ts';

/** The conversations by time, by widget and by agent, with the times that they took. */
export function ChatTables({
  report: { periods, widgets, agents, total },
  asked,
}: {
  report: ChatReport;
  asked: Asked;
}) {
  const parts = { asked, total };
  return (
    <>
      <Report
        title="Volume"
        meaning="By the day on which the visitor first wrote. Missed: it is over, and nobody answered who waited for a person."
        file={{ path: '/api/reports/chats.csv', filters: asked }}
        isWide
      >
        <Bars
          along="time"
          series={['Conversations', 'Missed']}
          bars={periods.map((period) => ({
            key: period.from,
            label: nameDays(period),
            short: shortDay(period.from),
            values: [period.chats, period.missed],
            said: `${formatNumber(period.chats)} conversations, ${formatNumber(period.missed)} missed`,
          }))}
        />
        <ReportTable
          label="conversations by time"
          columns={[
            { key: 'when', label: 'Days', isText: true, by: ({ from }) => from, render: nameDays },
            ...figureColumns<ChatReport['periods'][number]>({
              ...parts,
              nameOf: nameDays,
              searchOf: ({ from, to }) => ({ from, to }),
            }),
          ]}
          rows={periods}
          keyOf={({ from }) => from}
          none="No days."
        />
      </Report>
      <Report
        title="Agents"
        meaning="By the agent who has or had the conversation. The first answer counts from the moment at which the visitor waited for a person."
        file={{ path: '/api/reports/agents.csv', filters: asked }}
        isWide
      >
        <Bars
          along="names"
          series={['Conversations', 'Resolved']}
          bars={agents.map((row) => ({
            key: row.agent?.id ?? '',
            label: nameAgent(row),
            values: [row.chats, row.resolved],
            said: `${formatNumber(row.chats)} conversations, ${formatNumber(row.resolved)} resolved`,
          }))}
        />
        <ReportTable
          label="conversations by agent"
          columns={[
            { key: 'agent', label: 'Agent', isText: true, by: nameAgent, render: nameAgent },
            ...figureColumns<ChatReport['agents'][number]>({
              ...parts,
              nameOf: nameAgent,
              searchOf: ({ agent }) => (agent ? { agent: agent.id } : { unassigned: true }),
            }),
          ]}
          rows={agents}
          keyOf={({ agent }) => agent?.id ?? ''}
          none="There was no conversation in this time."
        />
      </Report>
      <Report
        title="Widgets"
        meaning="By the widget in which the conversation began."
        file={{ path: '/api/reports/widgets.csv', filters: asked }}
        isWide
      >
        <Bars
          along="names"
          series={['Conversations', 'Missed']}
          bars={widgets.map(({ widget, chats, missed }) => ({
            key: widget.id,
            label: widget.name,
            values: [chats, missed],
            said: `${formatNumber(chats)} conversations, ${formatNumber(missed)} missed`,
          }))}
        />
        <ReportTable
          label="conversations by widget"
          columns={[
            {
              key: 'widget',
              label: 'Widget',
              isText: true,
              by: ({ widget }) => widget.name,
              render: ({ widget }) => widget.name,
            },
            ...figureColumns<ChatReport['widgets'][number]>({
              ...parts,
              nameOf: ({ widget }) => widget.name,
              searchOf: ({ widget }) => ({ widget: widget.id }),
            }),
          ]}
          rows={widgets}
          keyOf={({ widget }) => widget.id}
          none="There was no conversation in this time."
        />
      </Report>
    </>
  );
}

type Parts<Row> = {
  asked: Asked;
  total: ChatFigures;
  nameOf: (row: Row) => string;
  searchOf: (row: Row) => ListSearch;
};

function figureColumns<Row extends ChatFigures>({ asked, total, nameOf, searchOf }: Parts<Row>): ReportColumn<Row>[] {
  const count = (key: 'chats' | Exclude<Outcome, 'open'>, label: string): ReportColumn<Row> => {
    const search: ListSearch = key === 'chats' ? {} : { outcome: key };
    return {
      key,
      label,
      by: (row) => row[key],
      render: (row) => (
        <ChatsLink
          count={row[key]}
          of={`${label.toLowerCase()}, ${nameOf(row)}`}
          asked={asked}
          search={{ ...search, ...searchOf(row) }}
        />
      ),
      total: <ChatsLink count={total[key]} of={label.toLowerCase()} asked={asked} search={search} />,
    };
  };
  const time = (key: 'first_response' | 'resolution', part: 'median' | 'p90', label: string): ReportColumn<Row> => ({
    key: `${key}-${part}`,
    label,
    by: (row) => row[key][part],
    render: (row) => sayTime(row[key][part]),
    total: sayTime(total[key][part]),
  });
  return [
    count('chats', 'Conversations'),
    count('answered', 'Answered'),
    count('missed', 'Missed'),
    count('bot', 'By the bot'),
    count('resolved', 'Resolved'),
    time('first_response', 'median', 'First answer, median'),
    time('first_response', 'p90', 'First answer, p90'),
    time('resolution', 'median', 'Resolved in, median'),
    time('resolution', 'p90', 'Resolved in, p90'),
    count('rated', 'Rated'),
    {
      key: 'score',
      label: 'Score',
      by: ({ score }) => score,
      render: ({ score }) => sayNumber(score),
      total: sayNumber(total.score),
    },
  ];
}

const sayNumber = (value: number | null): string => (value === null ? '–' : formatNumber(value));
const sayTime = (seconds: number | null): string => (seconds === null ? '–' : formatDuration(seconds));
const nameAgent = ({ agent }: { agent: { name: string } | null }): string => agent?.name ?? 'Nobody';

/** `31 Jan 2026`, or the first and the last day. */
const nameDays = ({ from, to }: { from: string; to: string }): string =>
  from === to ? formatDay(from) : `${formatDay(from)} – ${formatDay(to)}`;
