import { ErrorNotice } from '@aether/ui/Notice.tsx';
import { PageHead } from '@aether/ui/Shell.tsx';
import { showDone, showRefusal } from '@aether/ui/toasts.tsx';
import { Waiting } from '@aether/ui/Waiting.tsx';
import { Button, Progress, Text } from '@mantine/core';
import { IconZoomScan } from '@tabler/icons-react';
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { getRouteApi, Link } from '@tanstack/react-router';
import { findingGroups, findingKinds } from '../../quality/findings.ts';
import { Sparkline } from '../charts/Sparkline.tsx';
import { useMe } from '../shell/person.ts';
import { When } from '../times/When.tsx';
import { FindingRows } from './FindingRows.tsx';
import classes from './quality.module.css';
import { askRound, type Board, boardQuery, type FindingNumber, type Scan } from './queries.ts';

const route = getRouteApi('/quality');

/** The number of every finding with its trend and its age, or the rows of one. */
export function QualityPage() {
  const { finding } = route.useSearch();
  return finding ? <FindingRows key={finding} finding={finding} /> : <QualityBoard />;
}

function QualityBoard() {
  const { data, error, refetch } = useQuery(boardQuery);
  const { isAdmin } = useMe();
  const queries = useQueryClient();
  const round = useMutation({
    mutationFn: askRound,
    onSuccess: ({ already_running }) => {
      showDone(already_running ? 'A whole round is under way already.' : 'The worker looks through everything now.');
      void queries.invalidateQueries({ queryKey: ['quality'] });
    },
    onError: (problem) => showRefusal('Nothing was asked of the worker', problem),
  });
  const stepped = data?.scans
    .map(({ steppedAt }) => steppedAt ?? '')
    .sort()
    .at(-1);
  const isAsked = data?.scans.some(({ askedAt }) => askedAt) ?? false;
  return (
    <>
      <PageHead
        title="Data quality"
        detail={
          stepped ? (
            <>
              last look <When at={stepped} />
            </>
          ) : undefined
        }
      >
        {isAdmin && (
          <Button
            leftSection={<IconZoomScan size={16} />}
            variant="default"
            loading={round.isPending}
            disabled={isAsked}
            onClick={() => round.mutate()}
          >
            Look through everything
          </Button>
        )}
      </PageHead>
      <div className={classes.page}>
        {error && (
          <ErrorNotice
            title={data ? 'What follows is old' : 'The board could not be read'}
            error={error}
            onRetry={refetch}
          />
        )}
        {!data && !error && <Waiting />}
        {data && <Rounds scans={data.scans} />}
        {data && <Groups board={data} />}
      </div>
    </>
  );
}

/** How far the round is that somebody asked for. */
function Rounds({ scans }: { scans: Scan[] }) {
  const asked = scans.filter(({ askedAt }) => askedAt);
  if (asked.length === 0) return null;
  const inAll = asked.reduce((sum, scan) => sum + Math.max(scan.rowsInAll ?? 0, scan.rowsSeen, 1), 0);
  const seen = asked.reduce((sum, scan) => sum + scan.rowsSeen, 0);
  const percent = Math.min(99, Math.round((100 * seen) / inAll));
  return (
    <div className={classes.progress} role="status">
      <Text size="sm" mb={4}>
        The worker looks through everything: {asked.map(({ name }) => name).join(', ')} to go, {percent} %.
      </Text>
      <Progress value={percent} aria-label="Rows that were looked at" />
    </div>
  );
}

function Groups({ board }: { board: Board }) {
  const numbers = new Map(board.findings.map((each) => [each.finding, each]));
  return Object.entries(findingGroups).map(([group, title]) => (
    <section key={group} className={classes.group} aria-label={title}>
      <h2 className={classes.title}>{title}</h2>
      <ul className={classes.list}>
        {findingKinds
          .filter((kind) => kind.group === group)
          .map((kind) => {
            const number = numbers.get(kind.finding);
            return (
              <li key={kind.finding} className={classes.finding} data-finding={kind.finding}>
                <div className={classes.what}>
                  <Link to="/quality" search={{ finding: kind.finding }}>
                    {kind.title}
                  </Link>
                  <span className={classes.why}>{kind.why}</span>
                </div>
                <span className={classes.trend}>
                  {number && number.trend.length > 1 && (
                    <Sparkline label={`${kind.title}, last 30 days`} values={number.trend.map(([, count]) => count)} />
                  )}
                </span>
                <Count number={number} />
                <Age number={number} />
              </li>
            );
          })}
      </ul>
    </section>
  ));
}

function Count({ number }: { number: FindingNumber | undefined }) {
  const isNone = !number || number.count === 0;
  return (
    <span className={classes.count} data-none={isNone}>
      {number?.count.toLocaleString('en')}
      {number?.isCapped && '+'}
    </span>
  );
}

function Age({ number }: { number: FindingNumber | undefined }) {
  return (
    <span className={classes.age}>
      {number?.isFailing && 'the last look ended in an error: see the worker’s log; '}
      {number?.since ? (
        <>
          each row looked at since <When at={number.since} />
        </>
      ) : (
        'first look under way'
      )}
    </span>
  );
}
