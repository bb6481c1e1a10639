import { CsvLink } from '@aether/ui/CsvLink.tsx';
import { formatDuration } from '@aether/ui/formats.ts';
import { ErrorNotice, Nothing } from '@aether/ui/Notice.tsx';
import { PageHead } from '@aether/ui/Shell.tsx';
import { showDone, showRefusal } from '@aether/ui/toasts.tsx';
import { Waiting } from '@aether/ui/Waiting.tsx';
import { Button, Progress, SegmentedControl } from '@mantine/core';
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { getRouteApi, Link } from '@tanstack/react-router';
import { type ReactNode, useState } from 'react';
import { StewardOnly } from '../merges/StewardOnly.tsx';
import { useMe } from '../shell/person.ts';
import { When } from '../times/When.tsx';
import { countRefused, type JobDetail, type JobLine, jobQuery, linesQuery, runJob, sayJob, stopJob } from './jobs.ts';
import { PrivacyNavigation } from './PrivacyNavigation.tsx';
import classes from './privacy.module.css';

const route = getRouteApi('/privacy/lists/$id');

/** One list of people: how far it is, who goes on with it, and what became of each line. */
export function JobPage() {
  const { id } = route.useParams();
  const { isSteward } = useMe();
  const { data, error, refetch } = useQuery({ ...jobQuery(id), enabled: isSteward });
  return (
    <StewardOnly does="look at lists of people to erase">
      <PageHead title="List" detail={data ? sayJob(data).words : 'of people to erase'} />
      <div className={classes.page}>
        <PrivacyNavigation />
        {error && <ErrorNotice title="The list could not be read" error={error} onRetry={refetch} />}
        {!data && !error && <Waiting />}
        {data && (
          <>
            <Standing job={data} />
            <Lines job={data} />
          </>
        )}
      </div>
    </StewardOnly>
  );
}

function Standing({ job }: { job: JobDetail }) {
  const decided = job.people - (job.is_running ? job.left : job.open);
  return (
    <>
      <dl className={classes.facts}>
        <Fact label="Reason">{job.reason}</Fact>
        <Fact label="Begun">
          {job.begun_by_name ?? job.begun_by} <When at={job.begun_at} />
        </Fact>
        {job.run_at && job.run_by !== job.begun_by && (
          <Fact label="Gone on with">
            {job.run_by_name ?? job.run_by} <When at={job.run_at} />
          </Fact>
        )}
        {job.stopped_at && (
          <Fact label="Stopped">
            {job.stopped_by_name ?? job.stopped_by} <When at={job.stopped_at} />
          </Fact>
        )}
        <Fact label="Lines">{job.people.toLocaleString('en')}</Fact>
        <Fact label="Erased">{job.erased.toLocaleString('en')}</Fact>
        {job.asked > 0 && <Fact label="Asked for">{job.asked.toLocaleString('en')}</Fact>}
        {job.open > 0 && <Fact label="Open">{job.open.toLocaleString('en')}</Fact>}
        {job.refused.map(({ refusal, why, lines }) => (
          <Fact key={refusal} label="Refused">
            {lines.toLocaleString('en')}: {why}
          </Fact>
        ))}
        {job.is_cleaning && !job.is_running && <Fact label="Files and indexes">the clean-up goes on</Fact>}
      </dl>
      {job.is_running && (
        <div className={classes.progress}>
          <p className={classes.quiet} role="status">
            {decided.toLocaleString('en')} of {job.people.toLocaleString('en')}
            {job.per_second ? `, ${job.per_second} people a second` : ''}
            {job.seconds_left !== null && job.left > 0 && `, ${formatDuration(job.seconds_left)} left`}
          </p>
          <Progress
            value={(decided / job.people) * 100}
            aria-label={`Progress: ${Math.floor((decided / job.people) * 100)} percent`}
          />
        </div>
      )}
      {!job.is_running && job.asked > 0 && (
        <p className={classes.note}>
          Two people are needed.{' '}
          {job.confirmable > 0
            ? 'Another administrator has asked for it: you may confirm it.'
            : 'Another administrator than who has asked confirms it.'}
        </p>
      )}
      {!job.is_running && job.unread > 0 && (
        <p className={classes.note}>
          It was cut off before {job.unread.toLocaleString('en')} lines were read. Give the same list with the same
          reason, and it goes on.
        </p>
      )}
      <Acts job={job} />
    </>
  );
}

function Acts({ job }: { job: JobDetail }) {
  const { isAdmin } = useMe();
  const queries = useQueryClient();
  const onSettled = () => queries.invalidateQueries({ queryKey: ['privacy'] });
  const going = useMutation({
    mutationFn: () => runJob(job.id),
    onError: (problem) => showRefusal('It did not go on', problem),
    onSettled,
  });
  const stopping = useMutation({
    mutationFn: () => stopJob(job.id),
    onSuccess: () => showDone('It ends before the next person. Somebody may go on with it.'),
    onError: (problem) => showRefusal('It was not stopped', problem),
    onSettled,
  });
  if (!isAdmin) return null;
  const known = job.open - job.unread;
  const verb =
    known > 0
      ? job.confirmable > 0
        ? 'Go on, and confirm'
        : 'Go on'
      : job.confirmable > 0
        ? 'Confirm the erasure'
        : job.again > 0
          ? 'Try refused ones again'
          : '';
  if (!job.is_running && verb === '') return null;
  return (
    <div className={classes.acts}>
      {job.is_running ? (
        <Button variant="default" disabled={job.stopped_at !== null} onClick={() => stopping.mutate()}>
          {job.stopped_at ? 'Stopping' : 'Stop'}
        </Button>
      ) : (
        <Button
          {...(known > 0 || job.confirmable > 0 ? { color: 'red' } : { variant: 'default' })}
          loading={going.isPending}
          onClick={() => going.mutate()}
        >
          {verb}
        </Button>
      )}
    </div>
  );
}

const shown = [
  { value: 'all', label: 'All lines' },
  { value: 'refused', label: 'Refused' },
] as const;

function Lines({ job }: { job: JobDetail }) {
  const [only, setOnly] = useState<'all' | 'refused'>('all');
  const [places, setPlaces] = useState<number[]>([0]);
  const after = places.at(-1) ?? 0;
  const version = `${job.erased} ${job.asked} ${job.open}`;
  const { data, error, refetch } = useQuery(
    linesQuery(job.id, only === 'all' ? undefined : only, after, job.is_running ? '' : version),
  );
  return (
    <section aria-label="Lines">
      <div className={classes.head}>
        <h2 className={classes.name}>What became of each line</h2>
        {countRefused(job) > 0 && (
          <SegmentedControl
            size="xs"
            aria-label="Lines to show"
            data={[...shown]}
            value={only}
            onChange={(next) => {
              setOnly(next as typeof only);
              setPlaces([0]);
            }}
          />
        )}
        <CsvLink path={`/api/privacy/jobs/${job.id}/lines.csv`} filters={{}} />
      </div>
      {error && <ErrorNotice title="The lines could not be read" error={error} onRetry={refetch} />}
      {!data && !error && <Waiting />}
      {data?.lines.length === 0 && <Nothing title="No such line">Nothing of this list is in this state.</Nothing>}
      {data && data.lines.length > 0 && (
        <table className={classes.held}>
          <thead>
            <tr>
              <th scope="col" className={classes.where}>
                Line
              </th>
              <th scope="col">What became of it</th>
            </tr>
          </thead>
          <tbody>
            {data.lines.map((line) => (
              <tr key={line.place}>
                <td className={classes.where}>line {line.line}</td>
                <td>
                  <Became line={line} />
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
      <div className={classes.acts}>
        {places.length > 1 && (
          <Button variant="default" onClick={() => setPlaces(places.slice(0, -1))}>
            Before
          </Button>
        )}
        {data?.next && (
          <Button variant="default" onClick={() => setPlaces([...places, data.next as number])}>
            Next
          </Button>
        )}
      </div>
    </section>
  );
}

const words = { open: 'Open.', asked: 'Asked for.', erased: 'Erased.', refused: 'Refused.' } as const;

function Became({ line: { state, why, receipt, customer } }: { line: JobLine }) {
  return (
    <>
      <b>{words[state]}</b> {why && <span className={classes.quiet}>{why} </span>}
      {receipt ? (
        <Link to="/privacy/receipts/$id" params={{ id: receipt }}>
          Receipt
        </Link>
      ) : null}{' '}
      {customer && <span className={classes.quiet}>customer {customer}</span>}
    </>
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
