import { formatNumber } from '@aether/ui/formats.ts';
import { ErrorNotice } from '@aether/ui/Notice.tsx';
import { Waiting } from '@aether/ui/Waiting.tsx';
import { Button } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { useState } from 'react';
import parts from '../parts/parts.module.css';
import classes from './imports.module.css';
import { type Kept, keptQuery, type Outcome, type Row, type Run, rowsQuery } from './queries.ts';
import { outcomeMeanings, outcomeNames, sayField, unmappedNames } from './words.ts';

const firstMax = 10;
const moreMax = 100;

/** Ten lines of an outcome, or lines that differ from a customer; up to a hundred on request. */
export function RunRows({ run, show }: { run: Run; show: Outcome | 'conflicts' }) {
  const [limit, setLimit] = useState(firstMax);
  const { data, error, refetch } = useQuery(rowsQuery(run.id, show, limit, `${run.state} ${run.appliedTo}`));
  return (
    <>
      <p className={parts.quiet}>
        {show === 'conflicts'
          ? 'In these, the file has another value than the customer. The customer keeps theirs, unless the plan lets the file decide.'
          : outcomeMeanings[show]}
      </p>
      {error && <ErrorNotice title="The lines could not be read" error={error} onRetry={refetch} />}
      {!data && !error && <Waiting lines={4} />}
      {data?.rows.length === 0 && <p>There is none.</p>}
      {data && data.rows.length > 0 && (
        <ul className={parts.list} aria-label={show === 'conflicts' ? 'Conflicts' : outcomeNames[show]}>
          {data.rows.map((row) => (
            <RowItem key={row.n} row={row} isConflict={show === 'conflicts'} />
          ))}
        </ul>
      )}
      {data && data.next_after !== null && limit < moreMax && (
        <Button variant="default" mb={16} onClick={() => setLimit(moreMax)}>
          Show more
        </Button>
      )}
    </>
  );
}

function RowItem({ row, isConflict }: { row: Row; isConflict: boolean }) {
  const { name, email, externalId } = row;
  const title = [name, email, externalId && `id ${externalId}`].filter(Boolean).join(' · ') || `Line ${row.line}`;
  return (
    <li className={parts.item}>
      <div className={parts.what}>
        <b>{title}</b>
        <span className={parts.quiet}>
          Line {formatNumber(row.line)}
          {row.planned && ` · planned as ${outcomeNames[row.planned].toLowerCase()}`}
          {row.because && ` · ${row.because}`}
        </span>
        {!isConflict &&
          row.fills.map(({ field, theirs }) => (
            <span key={field}>
              {sayField(field)}: {theirs ?? 'nothing'}
            </span>
          ))}
        {row.conflicts.map(({ field, ours, theirs }) => (
          <span key={field}>
            {sayField(field)}: {ours ?? 'nothing'} stays; the file says {theirs ?? 'nothing'}
          </span>
        ))}
        {row.raw !== null && <code className={classes.raw}>{row.raw}</code>}
      </div>
      {row.person && (
        <Link to="/customers/$id" params={{ id: row.person.id }}>
          {row.person.name}
        </Link>
      )}
    </li>
  );
}

/** Words of the file for which nothing is here. */
export function Unmapped({ run }: { run: Run }) {
  return Object.entries(run.unmapped).map(([kind, words]) => (
    <section key={kind} aria-label={unmappedNames[kind] ?? kind}>
      <h3 className={parts.title}>{unmappedNames[kind] ?? kind}</h3>
      <ul className={parts.list}>
        {Object.entries(words)
          .sort(([, one], [, other]) => other - one)
          .slice(0, moreMax)
          .map(([word, lines]) => (
            <li key={word} className={parts.item}>
              <span className={parts.what}>{word}</span>
              <span className={parts.numbers}>
                {formatNumber(lines)} {lines === 1 ? 'line' : 'lines'}
              </span>
            </li>
          ))}
      </ul>
    </section>
  ));
}

/** What an undo has kept; before it, what it would keep. */
export function KeptList({ run }: { run: Run }) {
  const { data, error, refetch } = useQuery(keptQuery(run.id, `${run.jobs[0]?.id} ${run.jobs[0]?.state} ${run.kept}`));
  const preview = run.jobs.find(({ kind, state }) => kind === 'preview' && state === 'done')?.outcome;
  const isUndone = run.state === 'undone';
  const undone = run.jobs.find(({ kind, state }) => kind === 'undo' && state === 'done')?.outcome;
  const kept: Kept[] = (isUndone ? data?.undone : data?.preview) ?? [];
  return (
    <>
      <p className={parts.quiet}>
        {isUndone
          ? `The undo has removed ${formatNumber(undone?.removed ?? 0)} customers and put ${formatNumber(undone?.restored ?? 0)} values back.`
          : `An undo would remove ${formatNumber(preview?.removed ?? 0)} customers and put ${formatNumber(preview?.restored ?? 0)} values back.`}
        {kept.length > 0 && ' What follows stays, because somebody has changed it since.'}
      </p>
      {error && <ErrorNotice title="It could not be read" error={error} onRetry={refetch} />}
      {!data && !error && <Waiting lines={4} />}
      {data && kept.length === 0 && <p>{isUndone ? 'Nothing was kept.' : 'Nothing would be kept.'}</p>}
      <ul className={parts.list} aria-label="Kept">
        {kept.slice(0, moreMax * 10).map(({ n, person, field, written, present }) => (
          <li key={`${n} ${field}`} className={parts.item}>
            <div className={parts.what}>
              {person ? (
                <Link to="/customers/$id" params={{ id: person.id }}>
                  {person.name}
                </Link>
              ) : (
                <b>{sayField(field)}</b>
              )}
              <span>
                {sayField(field)}: {present ?? 'nothing'}
                {written !== null && <span className={parts.quiet}> · the import had written {written}</span>}
              </span>
            </div>
          </li>
        ))}
      </ul>
    </>
  );
}
