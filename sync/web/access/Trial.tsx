import { showRefusal } from '@aether/ui/toasts.tsx';
import { Button, Select, TextInput } from '@mantine/core';
import { IconCircleCheck, IconCircleX } from '@tabler/icons-react';
import { useMutation } from '@tanstack/react-query';
import { type FormEvent, useState } from 'react';
import classes from './access.module.css';
import { type Matrix, tryQuestion, type Verb, verbs } from './queries.ts';

/** Asks whether a login may do something by trying it. Nothing of it stays. */
export function Trial({ matrix }: { matrix: Matrix }) {
  const [login, setLogin] = useState(matrix.tried.includes('support_app') ? 'support_app' : (matrix.tried[0] ?? ''));
  const [verb, setVerb] = useState<Verb>('update');
  const [table, setTable] = useState('platform.customers');
  const [column, setColumn] = useState<string | null>('account_tier');
  const [row, setRow] = useState('');
  const [value, setValue] = useState('premium');
  const trying = useMutation({
    mutationFn: tryQuestion,
    onError: (problem) => showRefusal('It could not be tried', problem),
  });
  const tables = [
    ...new Set(matrix.rows.filter(({ schema }) => schema !== 'sync').map((each) => `${each.schema}.${each.table}`)),
  ];
  const columns = matrix.rows.flatMap((each) =>
    `${each.schema}.${each.table}` === table && each.column !== null ? [each.column] : [],
  );
  const send = (event: FormEvent) => {
    event.preventDefault();
    trying.mutate({
      login,
      table,
      verb,
      column: verb === 'delete' ? null : column,
      row: row.trim() || null,
      value: verb === 'insert' || verb === 'update' ? value : null,
    });
  };
  return (
    <details className={classes.trial}>
      <summary>May a login do this? Try it</summary>
      <form className={classes.fields} onSubmit={send}>
        <Select
          label="Login"
          data={matrix.tried}
          value={login}
          onChange={(next) => next && setLogin(next)}
          allowDeselect={false}
        />
        <Select
          label="Verb"
          data={verbs}
          value={verb}
          onChange={(next) => next && setVerb(next as Verb)}
          allowDeselect={false}
        />
        <Select
          label="Table"
          data={tables}
          value={table}
          searchable
          allowDeselect={false}
          onChange={(next) => {
            if (!next) return;
            setTable(next);
            setColumn(null);
          }}
        />
        {verb !== 'delete' && <Select label="Column" data={columns} value={column} searchable onChange={setColumn} />}
        <TextInput
          label="Row"
          placeholder="any row"
          value={row}
          onChange={({ currentTarget }) => setRow(currentTarget.value)}
        />
        {(verb === 'insert' || verb === 'update') && (
          <TextInput label="Value" value={value} onChange={({ currentTarget }) => setValue(currentTarget.value)} />
        )}
        <Button type="submit" loading={trying.isPending} disabled={verb !== 'delete' && !column}>
          Try it
        </Button>
      </form>
      {trying.data && (
        <p className={classes.verdict} role="status" data-allowed={trying.data.isAllowed}>
          {trying.data.isAllowed ? <IconCircleCheck size={18} /> : <IconCircleX size={18} />}
          <span>
            <b>{trying.data.isAllowed ? 'Yes. ' : 'No. '}</b>
            {trying.data.sentence} {trying.data.why && <span className={classes.quiet}>{trying.data.why}</span>}
          </span>
        </p>
      )}
      <p className={classes.quiet}>
        The statement runs with the rights of the login and is taken back: no row, no event and no lock of it stays.
      </p>
    </details>
  );
}
