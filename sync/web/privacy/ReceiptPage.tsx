import { ErrorNotice } from '@aether/ui/Notice.tsx';
import { PageHead } from '@aether/ui/Shell.tsx';
import { showDone } from '@aether/ui/toasts.tsx';
import { Waiting } from '@aether/ui/Waiting.tsx';
import { Button } from '@mantine/core';
import { useQuery, useQueryClient } from '@tanstack/react-query';
import { getRouteApi } from '@tanstack/react-router';
import { type ReactNode, useState } from 'react';
import { StewardOnly } from '../merges/StewardOnly.tsx';
import { ReasonDialog } from '../parts/ReasonDialog.tsx';
import { useMe } from '../shell/person.ts';
import { When } from '../times/When.tsx';
import { PrivacyNavigation } from './PrivacyNavigation.tsx';
import classes from './privacy.module.css';
import { liftReceipt, type Receipt, receiptQuery } from './queries.ts';
import { sayAct, sayState } from './words.ts';

const route = getRouteApi('/privacy/receipts/$id');

/** One erasure: what was done, what stays and why, and who has acknowledged it. */
export function ReceiptPage() {
  const { id } = route.useParams();
  const { isSteward } = useMe();
  const { data, error, refetch } = useQuery({ ...receiptQuery(id), enabled: isSteward });
  return (
    <StewardOnly does="see receipts of erasures">
      <PageHead title="Receipt" detail={data ? sayState(data.state) : 'of an erasure'} />
      <div className={classes.page}>
        <PrivacyNavigation />
        {error && <ErrorNotice title="The receipt could not be read" error={error} onRetry={refetch} />}
        {!data && !error && <Waiting />}
        {data && <Shown receipt={data} />}
      </div>
    </StewardOnly>
  );
}

function Shown({ receipt }: { receipt: Receipt }) {
  const done = receipt.tables.filter(({ act }) => act !== 'keep');
  return (
    <>
      <dl className={classes.facts}>
        <Fact label="Reason">{receipt.reason}</Fact>
        <Fact label="Customer">{receipt.people.join(', ')}</Fact>
        <Fact label="Asked">
          {receipt.asked_by_name ?? receipt.asked_by} <When at={receipt.asked_at} />
        </Fact>
        {receipt.erased_at && (
          <Fact label="Erased">
            {receipt.erased_by_name ?? receipt.erased_by} <When at={receipt.erased_at} />
          </Fact>
        )}
        {receipt.erased_at && (
          <Fact label="Files and indexes">
            {receipt.clean_at ? (
              <>
                clean <When at={receipt.clean_at} />
              </>
            ) : (
              'the clean-up goes on: this page follows it'
            )}
          </Fact>
        )}
        {receipt.events !== null && <Fact label="Events scrubbed">{receipt.events}</Fact>}
        {receipt.addresses !== null && (
          <Fact label="Kept away by">
            keyed hashes: {receipt.addresses} of addresses, {receipt.numbers} of numbers
          </Fact>
        )}
        {receipt.lifted.map(({ at, by, by_name, reason, count }) => (
          <Fact key={`${by} ${at}`} label="Let back">
            {count} by {by_name ?? by} <When at={at} />: {reason}
          </Fact>
        ))}
        <Fact label="Backups">
          {receipt.backups_expire_on
            ? `expire on ${receipt.backups_expire_on}`
            : 'nobody has said how long they are kept: aether privacy settings --backups-days'}
        </Fact>
      </dl>
      <Lift receipt={receipt} />
      {done.length > 0 && (
        <>
          <h2 className={classes.title}>What was done</h2>
          <Rows rows={done.map(({ table, act, rows }) => ({ table, text: sayAct(act), rows }))} />
        </>
      )}
      {receipt.kept.length > 0 && (
        <>
          <h2 className={classes.title}>What stays, and why</h2>
          <Rows rows={receipt.kept.map(({ table, why, rows }) => ({ table, text: why, rows }))} />
        </>
      )}
      {receipt.subscribers.length > 0 && (
        <>
          <h2 className={classes.title}>Who has acknowledged it</h2>
          <ul className={classes.list} aria-label="Subscribers">
            {receipt.subscribers.map(({ kind, name, told, acknowledged }) => (
              <li key={`${kind} ${name}`}>
                {name} <span className={classes.quiet}>{kind}</span>:{' '}
                {acknowledged ? 'has handled it' : told ? 'has not handled it yet' : 'does not read erasures'}
              </li>
            ))}
          </ul>
        </>
      )}
    </>
  );
}

/** The way back for a person who wants to: all at once, also what nobody can name. */
function Lift({ receipt: { id, kept_away: left } }: { receipt: Receipt }) {
  const { isAdmin } = useMe();
  const [isOpen, setOpen] = useState(false);
  const queries = useQueryClient();
  if (!isAdmin || left === 0) return null;
  return (
    <div className={classes.acts}>
      <Button variant="default" onClick={() => setOpen(true)}>
        Let the person come back…
      </Button>
      {isOpen && (
        <ReasonDialog
          title="Let the person come back"
          verb="Let them come back"
          act={(reason) => liftReceipt(id, reason)}
          onDone={() => {
            setOpen(false);
            void queries.invalidateQueries({ queryKey: ['privacy'] });
            showDone('They may come back. What was erased stays erased.');
          }}
          onClose={() => setOpen(false)}
        >
          For a person who comes back by themself: all {left} addresses, numbers and ids that this erasure keeps away,
          also those of imported lines that nobody can name. The reason is kept, and must not name the person.
        </ReasonDialog>
      )}
    </div>
  );
}

function Rows({ rows }: { rows: { table: string; text: string; rows: number }[] }) {
  return (
    <table className={classes.held}>
      <thead>
        <tr>
          <th scope="col" className={classes.where}>
            Where
          </th>
          <th scope="col">What</th>
          <th scope="col" className={classes.number}>
            Rows
          </th>
        </tr>
      </thead>
      <tbody>
        {rows.map((row) => (
          <tr key={row.table}>
            <td className={classes.where}>{row.table}</td>
            <td>{row.text}</td>
            <td className={classes.number}>{row.rows.toLocaleString('en')}</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

function Fact({ label, children }: { label: string; children: ReactNode }) {
  return (
    <>
      <dt>{label}</dt>
      <dd>{children}</dd>
    </>
  );
}
