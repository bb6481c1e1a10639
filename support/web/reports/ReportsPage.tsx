import { dayOf, formatDuration, formatMoment, formatNumber } from '@aether/ui/formats.ts';
import { ErrorNotice } from '@aether/ui/Notice.tsx';
import { Picker } from '@aether/ui/Picker.tsx';
import { HeatTable } from '@aether/ui/reports/HeatTable.tsx';
import { Figure, Figures, Report, Reports } from '@aether/ui/reports/Report.tsx';
import classes from '@aether/ui/reports/reports.module.css';
import { SpanPicker } from '@aether/ui/reports/SpanPicker.tsx';
import { daysOfSpan, ownZone } from '@aether/ui/reports/spans.ts';
import { PageHead } from '@aether/ui/Shell.tsx';
import { Waiting } from '@aether/ui/Waiting.tsx';
import { Button } from '@mantine/core';
import { useInfiniteQuery, useQuery } from '@tanstack/react-query';
import { Link, useNavigate, useSearch } from '@tanstack/react-router';
import { agentsQuery } from '../api/agents.ts';
import { type Asked, type ChatReport, chatReportQuery, commentsQuery, hourReportQuery } from '../api/reports.ts';
import { widgetsQuery } from '../api/widgets.ts';
import { ChatsLink } from './ChatsLink.tsx';
import { ChatTables } from './ChatTables.tsx';
import { ScoreReport } from './ScoreReport.tsx';
import type { ReportSearch } from './search.ts';
import { hourNames, weekdayNames } from './weekdays.ts';

const fallback = '30d';

/** How many conversations there were, how soon they were answered and resolved, and what visitors say of them. */
export function ReportsPage() {
  const search = useSearch({ from: '/reports' });
  const navigate = useNavigate({ from: '/reports' });
  const change = (part: Partial<ReportSearch>) =>
    void navigate({ search: (before: ReportSearch) => ({ ...before, ...part }), replace: true });
  const { data: widgets } = useQuery(widgetsQuery);
  const { data: agents } = useQuery(agentsQuery);
  const days = daysOfSpan(search, fallback, dayOf(new Date()));
  const asked: Asked = { ...days, zone: ownZone(), widget: search.widget, agent: search.agent };
  return (
    <>
      <PageHead title="Reports">
        <Picker
          aria-label="Widget"
          placeholder="All widgets"
          w={160}
          clearable
          data={(widgets?.widgets ?? []).map(({ id, name }) => ({ value: id, label: name }))}
          value={search.widget ?? null}
          onChange={(widget) => change({ widget: widget ?? undefined })}
        />
        <Picker
          aria-label="Agent"
          placeholder="All agents"
          w={160}
          clearable
          data={(agents?.agents ?? []).map(({ id, name }) => ({ value: id, label: name }))}
          value={search.agent ?? null}
          onChange={(agent) => change({ agent: agent ?? undefined })}
        />
        <SpanPicker search={search} fallback={fallback} days={days} onChange={change} />
      </PageHead>
      <Shown asked={asked} />
    </>
  );
}

function Shown({ asked }: { asked: Asked }) {
  const chats = useQuery(chatReportQuery(asked));
  const hours = useQuery(hourReportQuery(asked));
  const failed = [chats, hours].find(({ error, data }) => error && !data);
  if (failed)
    return (
      <ErrorNotice
        title="The reports could not be loaded"
        error={failed.error}
        onRetry={() => Promise.all([chats.refetch(), hours.refetch()])}
      />
    );
  if (!chats.data || !hours.data) return <Waiting lines={10} />;
  return (
    <div className={classes.page}>
      <p className={classes.said}>
        Conversations that you may read, by the day on which the visitor first wrote. Days and hours are those of{' '}
        {asked.zone.replaceAll('_', ' ')}.
      </p>
      <Totals report={chats.data} asked={asked} />
      <Reports>
        <ChatTables report={chats.data} asked={asked} />
        <Report
          title="Hours of the week"
          meaning={`When conversations begin, on the clocks of ${asked.zone.replaceAll('_', ' ')}.`}
          file={{ path: '/api/reports/hours.csv', filters: asked }}
          isWide
        >
          <HeatTable
            label="conversations by hour of the week"
            rows={weekdayNames()}
            columns={hourNames}
            values={hours.data.days}
            say={(count) => (count === 1 ? '1 conversation' : `${formatNumber(count)} conversations`)}
            draw={(count, day, hour) => (
              <ChatsLink
                count={count}
                of={`${weekdayNames()[day]}, ${hourNames[hour]}`}
                asked={asked}
                search={{ hour: day * 24 + hour }}
              />
            )}
          />
        </Report>
        <ScoreReport report={chats.data} asked={asked} />
        <Comments asked={asked} />
      </Reports>
    </div>
  );
}

function Totals({ report: { total }, asked }: { report: ChatReport; asked: Asked }) {
  const link = (count: number, of: string, search: Parameters<typeof ChatsLink>[0]['search']) => (
    <ChatsLink count={count} of={of} asked={asked} search={search} />
  );
  return (
    <Figures>
      <Figure label="Conversations" value={link(total.chats, 'all', {})} detail={`${formatNumber(total.open)} open`} />
      <Figure
        label="First answer of a person"
        value={sayTime(total.first_response.median)}
        detail={`nine of ten within ${sayTime(total.first_response.p90)}`}
      />
      <Figure
        label="Time to resolve"
        value={sayTime(total.resolution.median)}
        detail={`nine of ten within ${sayTime(total.resolution.p90)}`}
      />
      <Figure
        label="Missed"
        value={link(total.missed, 'missed', { outcome: 'missed' })}
        detail="over, and nobody had answered"
      />
      <Figure
        label="Ended by the bot"
        value={link(total.bot, 'ended by the bot', { outcome: 'bot' })}
        detail="without a person"
      />
      <Figure
        label="Satisfaction"
        value={total.score === null ? '–' : `${formatNumber(total.score)} of 5`}
        detail={`${formatNumber(total.rated)} of ${formatNumber(total.ended)} ended were rated`}
      />
    </Figures>
  );
}

const sayTime = (seconds: number | null): string => (seconds === null ? '–' : formatDuration(seconds));

function Comments({ asked }: { asked: Asked }) {
  const { data, error, refetch, hasNextPage, fetchNextPage, isFetchingNextPage } = useInfiniteQuery(
    commentsQuery(asked),
  );
  const comments = data?.pages.flatMap((page) => page.comments) ?? [];
  return (
    <Report
      title="Comments"
      meaning="What visitors wrote beside their scores, the newest first."
      file={{ path: '/api/reports/comments.csv', filters: asked }}
    >
      {error && !data && <ErrorNotice title="The comments could not be loaded" error={error} onRetry={refetch} />}
      {data && comments.length === 0 && <p className={classes.none}>Nobody has written one in this time.</p>}
      <ul className={classes.comments}>
        {comments.map((each) => (
          <li key={each.session_id}>
            <b>{each.score} of 5</b>{' '}
            <Link to="/sessions/$id" params={{ id: each.session_id }} search={{}}>
              {each.customer?.name ?? each.visitor_name ?? 'A visitor'}
            </Link>
            {each.agent && ` with ${each.agent.name}`}, {formatMoment(each.created_at)}
            <p>{each.comment}</p>
          </li>
        ))}
      </ul>
      {hasNextPage && (
        <Button variant="default" loading={isFetchingNextPage} onClick={() => fetchNextPage()}>
          Show older ones
        </Button>
      )}
    </Report>
  );
}
