import { CsvLink } from '@aether/ui/CsvLink.tsx';
import { ErrorNotice, Nothing } from '@aether/ui/Notice.tsx';
import { type Column, RecordTable } from '@aether/ui/RecordTable.tsx';
import { PageHead, useNarrow } from '@aether/ui/Shell.tsx';
import { Waiting } from '@aether/ui/Waiting.tsx';
import { Select, TextInput } from '@mantine/core';
import { IconSearch } from '@tabler/icons-react';
import { useQuery } from '@tanstack/react-query';
import { getRouteApi } from '@tanstack/react-router';
import { useDeferredValue, useState } from 'react';
import { LookAgain } from '../parts/LookAgain.tsx';
import { useMe } from '../shell/person.ts';
import { When } from '../times/When.tsx';
import classes from './access.module.css';
import { type AccessRow, type Matrix, matrixQuery } from './queries.ts';
import { Rights } from './Rights.tsx';
import { readAccessSearch } from './search.ts';
import { Trial } from './Trial.tsx';

const route = getRouteApi('/access');

/** What each login may do with each column, and the trial of one right. */
export function AccessPage() {
  const { data, error, refetch, dataUpdatedAt } = useQuery(matrixQuery);
  const { find = '', login } = route.useSearch();
  const navigate = route.useNavigate();
  const { isAdmin } = useMe();
  const change = (next: { find?: string; login?: string }) => {
    const search = { find, login, ...next };
    void navigate({ to: '/access', search: readAccessSearch(search), replace: true });
  };
  return (
    <div className={classes.page}>
      <PageHead
        title="Access"
        detail={
          data ? (
            <>
              as the database has it, read <When at={new Date(dataUpdatedAt).toISOString()} />
            </>
          ) : (
            'as the database has it'
          )
        }
      >
        <LookAgain refetch={refetch} />
        <CsvLink path="/api/access/csv" filters={{}} />
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
              S select, I insert, U update, D delete. A small letter: for some rows only, as a policy says, or in the
              row of a table for some of its columns.
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
    ...(isNarrow
      ? [
          {
            key: 'cells',
            label: 'Logins',
            track: 'minmax(86px, 1fr)',
            narrow: 'detail' as const,
            render: (row: AccessRow) => (
              <span className={classes.cells}>
                {logins
                  .filter(({ login }) => row.cells[login] !== '')
                  .map(({ login }) => (
                    <Cell key={login} row={row} login={login} isNamed onAsk={() => setAsked({ row, login })} />
                  ))}
              </span>
            ),
          },
        ]
      : logins.map(({ login }) => ({
          key: login,
          label: nameLogin(login),
          track: 'minmax(86px, 1fr)',
          render: (row: AccessRow) => <Cell row={row} login={login} onAsk={() => setAsked({ row, login })} />,
        }))),
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

const nameLogin = (login: string) => login.replace(/_app$/, '');

type CellProps = { row: AccessRow; login: string; isNamed?: boolean; onAsk: () => void };

function Cell({ row, login, isNamed, onAsk }: CellProps) {
  const letters = row.cells[login] ?? '';
  return (
    <button
      type="button"
      className={classes.cell}
      aria-label={`${login}, ${row.schema}.${row.table} ${row.column ?? ''}: ${letters || 'nothing'}`}
      onClick={onAsk}
    >
      {isNamed ? `${nameLogin(login)} ${letters}` : letters || '–'}
    </button>
  );
}
