import { formatNumber } from '@aether/ui/formats.ts';
import { ErrorNotice, Nothing } from '@aether/ui/Notice.tsx';
import { PageHead } from '@aether/ui/Shell.tsx';
import { showRefusal } from '@aether/ui/toasts.tsx';
import { Waiting } from '@aether/ui/Waiting.tsx';
import { Button } from '@mantine/core';
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import parts from '../parts/parts.module.css';
import { sayActor } from '../parts/words.ts';
import { useMe } from '../shell/person.ts';
import { When } from '../times/When.tsx';
import { DropFiles } from './DropFiles.tsx';
import { JobProgress } from './JobProgress.tsx';
import { filesQuery, type Job, type ListedFile, type ListedRun, removeFile, runsQuery } from './queries.ts';
import { outcomeNames, saySize, stateNames } from './words.ts';

/** Files that wait to be planned, what the worker does, and the history of runs. */
export function ImportsPage() {
  const { data: kept, error: filesError, refetch: againFiles } = useQuery(filesQuery);
  const { data: history, error: runsError, refetch: againRuns } = useQuery(runsQuery);
  const { isAdmin } = useMe();
  const jobs = kept?.jobs.filter(({ kind }) => kind !== 'recognise') ?? [];
  return (
    <>
      <PageHead title="Imports" />
      <div className={parts.page}>
        {isAdmin && <DropFiles known={kept?.files ?? []} />}
        {filesError && <ErrorNotice title="The files could not be read" error={filesError} onRetry={againFiles} />}
        {jobs.length > 0 && (
          <section aria-label="Under way">
            <h2 className={parts.title}>Under way</h2>
            {jobs.map((job) => (
              <JobItem key={job.id} job={job} />
            ))}
          </section>
        )}
        {kept && kept.files.length > 0 && (
          <section aria-label="Files">
            <h2 className={parts.title}>Files</h2>
            <ul className={parts.list}>
              {kept.files.map((file) => (
                <FileItem key={file.id} file={file} />
              ))}
            </ul>
          </section>
        )}
        <section aria-label="Runs">
          <h2 className={parts.title}>Runs</h2>
          {runsError && <ErrorNotice title="The runs could not be read" error={runsError} onRetry={againRuns} />}
          {!history && !runsError && <Waiting />}
          {history?.runs.length === 0 && (
            <Nothing title="Nothing was imported yet">
              {isAdmin ? 'Drop a file above to begin.' : 'An administrator can import customer lists here.'}
            </Nothing>
          )}
          {history && history.runs.length > 0 && (
            <ul className={parts.list}>
              {history.runs.map((run) => (
                <RunItem key={run.id} run={run} />
              ))}
            </ul>
          )}
        </section>
      </div>
    </>
  );
}

function JobItem({ job }: { job: Job }) {
  const by = (
    <span className={parts.quiet}>
      asked for by {sayActor(job)} <When at={job.asked_at} />
    </span>
  );
  return (
    <div>
      {job.run !== null && (
        <Link to="/imports/$run" params={{ run: job.run }}>
          Run {job.run}
        </Link>
      )}
      {job.run === null && (
        <Link to="/imports/new" search={{ files: job.files.join(','), job: job.id }}>
          Plan
        </Link>
      )}{' '}
      {by}
      <JobProgress job={job} />
    </div>
  );
}

const fileStates: Record<ListedFile['state'], string> = {
  uploading: 'incomplete: choose the same file again, and it goes on',
  stored: 'the worker looks at it',
  recognised: '',
  refused: '',
  removed: 'removed',
};

function FileItem({ file }: { file: ListedFile }) {
  const { isAdmin } = useMe();
  const client = useQueryClient();
  const removing = useMutation({
    mutationFn: () => removeFile(file.id),
    onError: (problem) => showRefusal('The file was not removed', problem),
    onSettled: () => client.invalidateQueries({ queryKey: ['imports'] }),
  });
  const rows = file.recognition?.rows;
  const words = [
    file.label,
    rows !== undefined && `${formatNumber(rows)} rows`,
    saySize(file.size),
    fileStates[file.state],
    file.refusal,
  ].filter(Boolean);
  return (
    <li className={parts.item}>
      <div className={parts.what}>
        {file.state === 'uploading' ? (
          <b>{file.name}</b>
        ) : (
          <Link to="/imports/new" search={{ files: String(file.id) }}>
            {file.name}
          </Link>
        )}
        <span className={parts.quiet}>
          {words.join(' · ')}
          {file.goes_at && (
            <>
              {' · '}removed <When at={file.goes_at} as="moment" /> unless it is used
            </>
          )}
        </span>
      </div>
      <span className={parts.quiet}>
        {sayActor(file)} <When at={file.began_at} />
      </span>
      {isAdmin && (
        <Button
          variant="default"
          size="xs"
          loading={removing.isPending}
          onClick={() => removing.mutate()}
          aria-label={`Remove ${file.name}`}
        >
          Remove
        </Button>
      )}
    </li>
  );
}

function RunItem({ run }: { run: ListedRun }) {
  const counts = (Object.keys(outcomeNames) as (keyof typeof outcomeNames)[])
    .filter((outcome) => run.planned[outcome] > 0)
    .map((outcome) => `${formatNumber(run.planned[outcome])} ${outcomeNames[outcome].toLowerCase()}`);
  return (
    <li className={parts.item}>
      <div className={parts.what}>
        <Link to="/imports/$run" params={{ run: run.id }}>
          Run {run.id}: {run.files.map(({ name }) => name).join(', ')}
        </Link>
        <span className={parts.quiet}>
          {run.app === 'support' ? 'Support' : 'Foundation'} · {counts.join(', ') || 'no lines'}
          {run.goesAt && (
            <>
              {' · '}given up <When at={run.goesAt} as="moment" /> unless it is applied
            </>
          )}
        </span>
      </div>
      <b>{stateNames[run.state]}</b>
      <span className={parts.quiet}>
        {sayActor({ actor: run.createdBy, actor_name: run.createdByName })} <When at={run.createdAt} />
      </span>
    </li>
  );
}
