import { ErrorNotice, Nothing } from '@aether/ui/Notice.tsx';
import { type Column, RecordTable } from '@aether/ui/RecordTable.tsx';
import { PageHead, useNarrow } from '@aether/ui/Shell.tsx';
import { Waiting } from '@aether/ui/Waiting.tsx';
import { Button, Select, TextInput } from '@mantine/core';
import { IconDownload, IconSearch } from '@tabler/icons-react';
import { useQuery } from '@tanstack/react-query';
import { getRouteApi } from '@tanstack/react-router';
import { useDeferredValue, useState } from 'react';
import { useMe } from '../shell/person.ts';
import classes from './access.module.css';
import { type AccessRow, type Matrix, matrixQuery } from './queries.ts';
import { Rights } from './Rights.tsx';
import { readAccessSearch } from './search.ts';
import { Trial } from './Trial.tsx';

const route = getRouteApi('/access');

/** What each login may do with each column, and the trial of one right. */
export function AccessPage() {
  const { data, error, refetch } = useQuery(matrixQuery);
  const { find = '', login } = route.useSearch();
  const navigate = route.useNavigate();
  const { isAdmin } = useMe();
  const change = (next: { find?: string; login?: string }) => {
    const search = { find, login, ...next };
    void navigate({ to: '/access', search: readAccessSearch(search), replace: true });
  };
  return (
    <div className={classes.page}>
      <PageHead title="Access" detail="as the database has it">
        <Button
          component="a"
          href="/api/access/csv"
          download
          variant="default"
          leftSection={<IconDownload size={16} />}
        >
          CSV
        </Button>
      </PageHead>
      {error && <ErrorNotice title="The rights could not be read" error={error} onRetry={refetch} />}
      {!data && !error && <Waiting />}
      {data && (
        <>
          {isAdmin && data.tried.length > 0 && <Trial matrix={data} />}
          <div className={classes.bar}>
            <TextInput
              label="Table or column"
              placeholder="customers tier"
              leftSection={<IconSearch size={15} />}
              value={find}
              onChange={({ currentTarget }) => change({ find: currentTarget.value })}
            />
            <Select
              label="Login"
              placeholder="All"
              clearable
              data={data.logins.map((each) => each.login)}
              value={login ?? null}
              onChange={(next) => change({ login: next ?? '' })}
            />
            <p className={classes.quiet}>
              S select, I insert, U update, D delete. A small letter: a policy lets it through for some rows only.
            </p>
          </div>
          <Cells matrix={data} find={find} login={login} />
        </>
      )}
    </div>
  );
}

type CellsProps = { matrix: Matrix; find: string; login: string | undefined };

function Cells({ matrix, find, login }: CellsProps) {
  const isNarrow = useNarrow();
  const [asked, setAsked] = useState<{ row: AccessRow; login: string }>();
  const words = useDeferredValue(find)
    .toLowerCase()
    .split(/[\s.]+/)
    .filter(Boolean);
  const rows = matrix.rows.filter((row) => {
    const name = `${row.schema}.${row.table}.${row.column ?? ''}`;
    return words.every((word) => name.includes(word)) && (!login || row.cells[login] !== '');
  });
  const logins = matrix.logins.filter((each) => !login || each.login === login);
  const columns: Column<AccessRow>[] = [
    {
      key: 'name',
      label: 'Table and column',
      track: 'minmax(220px, 2fr)',
      narrow: 'title',
      render: (row) => (
        <span title={`${row.schema}.${row.table}`}>
          {row.column === null ? (
            <b>
              {row.schema}.{row.table}
            </b>
          ) : (
            <>
              <span className={classes.quiet}>
                {row.schema}.{row.table}.
              </span>
              {row.column}
            </>
          )}
        </span>
      ),
    },
    ...logins.map((each) => ({
      key: each.login,
      label: each.login.replace(/_app$/, ''),
      track: 'minmax(86px, 1fr)',
      narrow: 'detail' as const,
      render: (row: AccessRow) => (
        <button
          type="button"
          className={classes.cell}
          aria-label={`${each.login}, ${row.schema}.${row.table} ${row.column ?? ''}: ${row.cells[each.login] || 'nothing'}`}
          onClick={() => setAsked({ row, login: each.login })}
        >
          {isNarrow && row.cells[each.login] ? `${each.login.replace(/_app$/, '')} ` : ''}
          {row.cells[each.login] || (isNarrow ? '' : '–')}
        </button>
      ),
    })),
  ];
  if (rows.length === 0) return <Nothing title="No table or column has these words">Try fewer of them.</Nothing>;
  return (
    <>
      <RecordTable
        label="Rights"
        columns={columns}
        rows={rows}
        keyOf={(row) => `${row.schema}.${row.table}.${row.column ?? ''}`}
        total={rows.length}
        hasMore={false}
        onMore={() => {}}
        isNarrow={isNarrow}
      />
      {asked && <Rights {...asked} onClose={() => setAsked(undefined)} />}
    </>
  );
}
