import { CsvLink } from '@aether/ui/CsvLink.tsx';
import { ErrorNotice, Nothing } from '@aether/ui/Notice.tsx';
import { type Column, RecordTable } from '@aether/ui/RecordTable.tsx';
import { PageHead, useNarrow } from '@aether/ui/Shell.tsx';
import { showDone, showRefusal } from '@aether/ui/toasts.tsx';
import { Waiting } from '@aether/ui/Waiting.tsx';
import { Button, Group } from '@mantine/core';
import { IconArrowLeft, IconRefresh } from '@tabler/icons-react';
import { useInfiniteQuery, useMutation, useQueryClient } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { useState } from 'react';
import { describeFound, type FindingKind, kindOf } from '../../quality/findings.ts';
import { BulkDialog } from '../failures/BulkDialog.tsx';
import { Runs } from '../failures/Runs.tsx';
import { useMe } from '../shell/person.ts';
import { When } from '../times/When.tsx';
import { CorrectAddress } from './CorrectAddress.tsx';
import classes from './quality.module.css';
import { type Found, freezeRows, type Person, recheck, repair, rowsQuery, sayOutcomes } from './queries.ts';

/** The most rows that one request looks at again. */
const actMax = 100;

/** The rows of one finding, with what mends each. */
export function FindingRows({ finding }: { finding: string }) {
  const kind = kindOf(finding) as FindingKind;
  const { data, error, refetch, fetchNextPage, hasNextPage, isFetchingNextPage } = useInfiniteQuery(rowsQuery(finding));
  const { isAdmin } = useMe();
  const isNarrow = useNarrow();
  const queries = useQueryClient();
  const [corrected, setCorrected] = useState<Found>();
  const [isAll, setIsAll] = useState(false);
  const again = () => queries.invalidateQueries({ queryKey: ['quality'] });
  const mending = useMutation({
    mutationFn: repair,
    onSuccess: ({ outcomes }) => showDone(sayOutcomes(outcomes)),
    onError: (problem) => showRefusal('Nothing was mended', problem),
    onSettled: again,
  });
  const looking = useMutation({
    mutationFn: recheck,
    onSuccess: () => showDone('Looked again: what is no longer true is gone.'),
    onError: (problem) => showRefusal('Nothing was looked at', problem),
    onSettled: again,
  });
  const rows = data?.pages.flatMap((page) => page.rows) ?? [];
  const first = rows.slice(0, actMax).map(({ id }) => id);
  const fix = (row: Found) => {
    if (!isAdmin || kind.fix === 'link') return null;
    if (kind.fix === 'address')
      return (
        <Button size="compact-sm" variant="default" onClick={() => setCorrected(row)}>
          Correct
        </Button>
      );
    return (
      <Button
        size="compact-sm"
        variant="default"
        loading={mending.isPending && mending.variables?.length === 1 && mending.variables[0] === row.id}
        onClick={() => mending.mutate([row.id])}
      >
        {kind.action}
      </Button>
    );
  };
  return (
    <div className={classes.rows}>
      <PageHead title={kind.title} detail={rows.length > 0 ? `${rows.length}${hasNextPage ? '+' : ''}` : undefined}>
        <Group gap={8}>
          <Button component={Link} to="/quality" variant="subtle" leftSection={<IconArrowLeft size={16} />}>
            All findings
          </Button>
          {isAdmin && rows.length > 0 && (
            <Button
              variant="default"
              leftSection={<IconRefresh size={16} />}
              loading={looking.isPending}
              onClick={() => looking.mutate(first)}
            >
              Look again
            </Button>
          )}
          {isAdmin && kind.fix === 'repair' && rows.length > 1 && (
            <Button onClick={() => setIsAll(true)}>{kind.action} all…</Button>
          )}
          <CsvLink path={`/api/quality/findings/${finding}/csv`} filters={{}} />
        </Group>
      </PageHead>
      <p className={classes.note}>{kind.why}</p>
      <Runs finding={finding} />
      {error && <ErrorNotice title="The rows could not be read" error={error} onRetry={refetch} />}
      {!data && !error && <Waiting />}
      {data && rows.length === 0 && <Nothing title="Nothing is wrong here">No row has this finding.</Nothing>}
      {rows.length > 0 && (
        <RecordTable
          label={kind.title}
          columns={columnsOf(kind, fix, isAdmin)}
          rows={rows}
          keyOf={({ id }) => id}
          hasMore={hasNextPage && !isFetchingNextPage}
          onMore={() => void fetchNextPage()}
          isNarrow={isNarrow}
        />
      )}
      {isAll && (
        <BulkDialog
          kind="repair"
          of={`“${kind.title}”`}
          freeze={() => freezeRows(finding)}
          onClose={() => setIsAll(false)}
        />
      )}
      {corrected && (
        <CorrectAddress
          row={corrected}
          onClose={() => setCorrected(undefined)}
          onDone={() => {
            setCorrected(undefined);
            void again();
          }}
        />
      )}
    </div>
  );
}

function columnsOf(kind: FindingKind, fix: (row: Found) => React.ReactNode, isAdmin: boolean): Column<Found>[] {
  return [
    {
      key: 'customer',
      label: kind.group === 'duplicate' ? 'Newer customer' : 'Customer',
      track: 'minmax(170px, 2fr)',
      narrow: 'title',
      render: (row) => <PersonLink person={row.customer} fallback={`${row.subject} ${row.subject_id}`} />,
    },
    ...(kind.group === 'duplicate' || kind.finding === 'orphan.child'
      ? [
          {
            key: 'other',
            label: kind.group === 'duplicate' ? 'Older customer' : 'Survivor',
            track: 'minmax(170px, 2fr)',
            narrow: 'detail' as const,
            render: (row: Found) => <PersonLink person={row.other} fallback="–" />,
          },
        ]
      : []),
    {
      key: 'what',
      label: 'What',
      track: 'minmax(180px, 3fr)',
      narrow: 'detail',
      render: (row) => <span title={describeFound(row)}>{describeFound(row)}</span>,
    },
    { key: 'found', label: 'Found', track: '110px', render: (row) => <When at={row.found_at} /> },
    ...(isAdmin && kind.fix !== 'link'
      ? [{ key: 'fix', label: '', track: '170px', align: 'end' as const, narrow: 'detail' as const, render: fix }]
      : []),
  ];
}

function PersonLink({ person, fallback }: { person: Person | null; fallback: string }) {
  if (!person) return <span>{fallback}</span>;
  return (
    <Link to="/customers/$id" params={{ id: person.id }} title={person.email}>
      {person.name} <small className={classes.email}>{person.email}</small>
    </Link>
  );
}
