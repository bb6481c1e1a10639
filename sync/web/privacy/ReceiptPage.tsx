import { ErrorNotice } from '@aether/ui/Notice.tsx';
import { PageHead } from '@aether/ui/Shell.tsx';
import { Waiting } from '@aether/ui/Waiting.tsx';
import { useQuery } from '@tanstack/react-query';
import { getRouteApi } from '@tanstack/react-router';
import type { ReactNode } from 'react';
import { StewardOnly } from '../merges/StewardOnly.tsx';
import { useMe } from '../shell/person.ts';
import { When } from '../times/When.tsx';
import { PrivacyNavigation } from './PrivacyNavigation.tsx';
import classes from './privacy.module.css';
import { type Receipt, receiptQuery } from './queries.ts';
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
        <Fact label="Backups">
          {receipt.backups_expire_on
            ? `expire on ${receipt.backups_expire_on}`
            : 'nobody has said how long they are kept: aether privacy settings --backups-days'}
        </Fact>
      </dl>
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
