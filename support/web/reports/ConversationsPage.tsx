import { dayOf, formatDay, formatMoment, formatNumber } from '@aether/ui/formats.ts';
import { ErrorNotice, Nothing } from '@aether/ui/Notice.tsx';
import { type Column, RecordTable } from '@aether/ui/RecordTable.tsx';
import { daysOfSpan, ownZone } from '@aether/ui/reports/spans.ts';
import { PageHead, useNarrow } from '@aether/ui/Shell.tsx';
import { Tag } from '@aether/ui/Tag.tsx';
import { Waiting } from '@aether/ui/Waiting.tsx';
import { Text } from '@mantine/core';
import { IconMessages } from '@tabler/icons-react';
import { useInfiniteQuery, useQuery } from '@tanstack/react-query';
import { Link, useSearch } from '@tanstack/react-router';
import { agentsQuery } from '../api/agents.ts';
import type { Session } from '../api/records.ts';
import { type Outcome, reportedQuery } from '../api/reports.ts';
import { widgetsQuery } from '../api/widgets.ts';
import { nameVisitor } from '../desk/order.ts';
import type { ListSearch } from './search.ts';
import { hourNames, weekdayNames } from './weekdays.ts';

const outcomeNames: Record<Outcome, string> = {
  answered: 'answered by a person',
  missed: 'missed',
  bot: 'ended by the bot',
  open: 'open',
  resolved: 'resolved',
  rated: 'rated',
};

const columns: Column<Session>[] = [
  {
    key: 'visitor',
    label: 'Visitor',
    track: 'minmax(150px, 1fr)',
    narrow: 'title',
    render: (session) => (
      <Link
        to="/sessions/$id"
        params={{ id: session.id }}
        search={{ view: session.status === 'ended' ? 'ended' : 'all' }}
      >
        {nameVisitor(session)}
      </Link>
    ),
  },
  {
    key: 'words',
    label: 'Last message',
    track: 'minmax(160px, 2fr)',
    render: ({ last_message }) => <span>{last_message?.body}</span>,
  },
  {
    key: 'state',
    label: 'State',
    track: '120px',
    narrow: 'detail',
    render: ({ status, resolved }) =>
      status === 'active' ? (
        <Tag tone="accent">Open</Tag>
      ) : (
        <Tag tone={resolved ? 'good' : 'warn'}>{resolved ? 'Resolved' : 'Not resolved'}</Tag>
      ),
  },
  {
    key: 'rating',
    label: 'Score',
    track: '80px',
    align: 'end',
    narrow: 'detail',
    render: ({ rating }) => <span>{rating && `${rating.score} of 5`}</span>,
  },
  { key: 'agent', label: 'Agent', track: 'minmax(110px, 0.7fr)', render: ({ agent }) => <span>{agent?.name}</span> },
  {
    key: 'widget',
    label: 'Widget',
    track: 'minmax(110px, 0.7fr)',
    render: ({ widget }) => <span>{widget.name}</span>,
  },
  {
    key: 'began',
    label: 'Began',
    track: '160px',
    narrow: 'detail',
    render: ({ started_at }) => <span>{formatMoment(started_at)}</span>,
  },
];

/** The conversations behind a number of a report. */
export function ConversationsPage() {
  const search = useSearch({ from: '/reports/conversations' });
  const isNarrow = useNarrow();
  const days = daysOfSpan(search, '30d', dayOf(new Date()));
  const { span: _, ...filters } = search;
  const { data, error, isPending, hasNextPage, isPlaceholderData, fetchNextPage, refetch } = useInfiniteQuery(
    reportedQuery({ ...filters, ...days, zone: ownZone() }),
  );
  const rows = data?.pages.flatMap(({ sessions }) => sessions) ?? [];
  const { outcome: ___, score: ____, hour: _____, unassigned: ______, ...back } = search;
  return (
    <>
      <PageHead title="Conversations of a report">
        <Link to="/reports" search={back}>
          Back to the reports
        </Link>
      </PageHead>
      <Said search={search} days={days} />
      {isPending ? (
        <Waiting lines={10} />
      ) : error && !data ? (
        <ErrorNotice title="The conversations could not be loaded" error={error} onRetry={refetch} />
      ) : rows.length === 0 ? (
        <Nothing icon={<IconMessages size={28} />} title="No conversation is like that">
          It may have been moved to another team since, or erased.
        </Nothing>
      ) : (
        <RecordTable
          label="Conversations"
          columns={columns}
          rows={rows}
          keyOf={({ id }) => id}
          hasMore={hasNextPage && !isPlaceholderData}
          onMore={fetchNextPage}
          isNarrow={isNarrow}
        />
      )}
    </>
  );
}

/** What the conversations have in common, in words. */
function Said({ search, days: { from, to } }: { search: ListSearch; days: { from: string; to: string } }) {
  const { data: widgets } = useQuery({ ...widgetsQuery, enabled: search.widget !== undefined });
  const { data: agents } = useQuery({ ...agentsQuery, enabled: search.agent !== undefined });
  const { hour } = search;
  const parts = [
    from === to ? `of ${formatDay(from)}` : `of ${formatDay(from)} to ${formatDay(to)}`,
    search.outcome && outcomeNames[search.outcome],
    search.score !== undefined && `rated ${formatNumber(search.score)} of 5`,
    hour !== undefined && `begun on ${weekdayNames()[Math.floor(hour / 24)]} from ${hourNames[hour % 24]}:00`,
    search.widget && `in ${widgets?.widgets.find(({ id }) => id === search.widget)?.name ?? 'one widget'}`,
    search.agent && `with ${agents?.agents.find(({ id }) => id === search.agent)?.name ?? 'one agent'}`,
    search.unassigned && 'that no agent has',
  ].filter((part) => typeof part === 'string');
  return (
    <Text size="sm" c="dimmed" px={{ base: 16, sm: 24 }} pb="xs">
      Conversations {parts.join(', ')}.
    </Text>
  );
}
