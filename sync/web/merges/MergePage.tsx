import { ErrorNotice } from '@aether/ui/Notice.tsx';
import { PageHead } from '@aether/ui/Shell.tsx';
import { Waiting } from '@aether/ui/Waiting.tsx';
import { Button } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { getRouteApi, Link } from '@tanstack/react-router';
import { useState } from 'react';
import parts from '../parts/parts.module.css';
import { sayActor } from '../parts/words.ts';
import { When } from '../times/When.tsx';
import { sayName } from './MergeList.tsx';
import classes from './merges.module.css';
import { type MergeRecord, mergeQuery } from './queries.ts';
import { StewardOnly } from './StewardOnly.tsx';
import { Undo, UndoWords } from './Undo.tsx';
import { sayField, sayRows, sayValue } from './words.ts';

const route = getRouteApi('/merges/$id');

/** One merge: what it did, and its undo. */
export function MergePage() {
  const { id } = route.useParams();
  const { data, error, refetch } = useQuery({ ...mergeQuery(id), retry: false });
  return (
    <StewardOnly>
      <PageHead
        title={data ? `${sayName(data.loser.name)} into ${sayName(data.survivor.name)}` : 'Merge'}
        detail={data?.undone_at ? 'taken apart again' : 'merged'}
      />
      <div className={parts.page}>
        <p>
          <Link to="/merges">All merges</Link>
        </p>
        {error && <ErrorNotice title="The merge could not be read" error={error} onRetry={refetch} />}
        {!data && !error && <Waiting lines={8} />}
        {data && <Record merge={data} />}
      </div>
    </StewardOnly>
  );
}

function Record({ merge }: { merge: MergeRecord }) {
  const [isUndoing, setUndoing] = useState(false);
  const { survivor, loser, undone_at } = merge;
  return (
    <>
      <dl className={parts.facts}>
        <dt>{undone_at ? 'Was the survivor' : 'Goes on'}</dt>
        <dd>
          <Link to="/customers/$id" params={{ id: survivor.id }}>
            {sayName(survivor.name)}
          </Link>
        </dd>
        <dt>{undone_at ? 'Was merged' : 'Is merged'}</dt>
        <dd>
          <Link to="/customers/$id" params={{ id: loser.id }}>
            {sayName(loser.name)}
          </Link>
        </dd>
        <dt>Merged</dt>
        <dd>
          {sayActor(merge)}, <When at={merge.merged_at} />
        </dd>
        {merge.reason && (
          <>
            <dt>Reason</dt>
            <dd>{merge.reason}</dd>
          </>
        )}
        {undone_at && (
          <>
            <dt>Taken apart</dt>
            <dd>
              {sayActor({ actor: merge.undone_by, actor_name: merge.undone_by_name })}, <When at={undone_at} />
            </dd>
          </>
        )}
      </dl>
      {!undone_at && !isUndoing && (
        <Button variant="default" onClick={() => setUndoing(true)}>
          Take apart…
        </Button>
      )}
      {!undone_at && isUndoing && <Undo merge={merge} onClose={() => setUndoing(false)} />}
      {merge.undo_report && (
        <section aria-label="What taking apart did">
          <h2 className={parts.title}>What taking apart did</h2>
          <UndoWords report={merge.undo_report} merge={merge} names={merge.names} isDone />
        </section>
      )}
      <section aria-label="What the merge did">
        <h2 className={parts.title}>What the merge did</h2>
        <Rows counts={merge.moved} none="Nothing moved." />
        {Object.entries(merge.suppressed).map(([table, rows]) => (
          <p key={table} className={classes.quiet}>
            {sayRows(table, rows)} stayed behind, because {sayName(survivor.name)} had the same. The ledger has the
            rest.
          </p>
        ))}
        {/* biome-ignore lint/a11y/noNoninteractiveTabindex: a wide table scrolls, and must be reachable by keyboard */}
        <section data-sideways style={{ overflowX: 'auto' }} tabIndex={0} aria-label="Fields">
          <table className={parts.changes} style={{ minWidth: 520 }}>
            <thead>
              <tr>
                <th>Field</th>
                <th>{sayName(survivor.name)}</th>
                <th>{sayName(loser.name)}</th>
                <th>Taken, and why</th>
              </tr>
            </thead>
            <tbody>
              {merge.fields.map(({ field, survivor: ours, loser: theirs, chosen, why }) => (
                <tr key={field}>
                  <td>{sayField(field)}</td>
                  <td>{sayValue(field, ours, merge.names)}</td>
                  <td>{sayValue(field, theirs, merge.names)}</td>
                  <td>
                    {sayValue(field, chosen === 'survivor' ? ours : theirs, merge.names)}
                    <span className={classes.why}>{why}</span>
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        </section>
      </section>
    </>
  );
}

export function Rows({ counts, none }: { counts: Record<string, number>; none: string }) {
  const entries = Object.entries(counts);
  if (entries.length === 0) return <p className={classes.quiet}>{none}</p>;
  return (
    <ul className={classes.rows}>
      {entries.map(([table, rows]) => (
        <li key={table}>{sayRows(table, rows)}</li>
      ))}
    </ul>
  );
}
