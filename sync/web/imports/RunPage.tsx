import { formatNumber } from '@aether/ui/formats.ts';
import { ErrorNotice } from '@aether/ui/Notice.tsx';
import { PageHead } from '@aether/ui/Shell.tsx';
import { Waiting } from '@aether/ui/Waiting.tsx';
import { useQuery } from '@tanstack/react-query';
import { getRouteApi, Link } from '@tanstack/react-router';
import parts from '../parts/parts.module.css';
import { sayActor } from '../parts/words.ts';
import { When } from '../times/When.tsx';
import { Candidates, Following } from './Candidates.tsx';
import classes from './imports.module.css';
import { JobProgress } from './JobProgress.tsx';
import { isOpen, outcomes, type Run, runQuery } from './queries.ts';
import { Rules } from './Rules.tsx';
import { KeptList, RunRows, Unmapped } from './RunRows.tsx';
import { RunSteps } from './RunSteps.tsx';
import type { Shown } from './search.ts';
import { outcomeNames, sayField, stateNames } from './words.ts';

const route = getRouteApi('/imports/$run');

/** One run: what becomes of its lines, what is done with it, and by whom. */
export function RunPage() {
  const { run: id } = route.useParams();
  const { show } = route.useSearch();
  const { data: run, error, refetch } = useQuery(runQuery(id));
  const job = run?.jobs.find(isOpen);
  return (
    <>
      <PageHead
        title={`Import ${id}`}
        detail={run && `${stateNames[run.state]} · ${run.files.map(({ name }) => name).join(', ')}`}
      />
      <div className={parts.page}>
        <p>
          <Link to="/imports">All imports</Link>
        </p>
        {error && <ErrorNotice title="The run could not be read" error={error} onRetry={refetch} />}
        {!run && !error && <Waiting />}
        {run && job && <JobProgress job={job} />}
        {run && !job && run.jobs[0]?.state === 'failed' && <JobProgress job={run.jobs[0]} />}
        {run && <RunSteps run={run} isBusy={job !== undefined} />}
        {run?.state === 'planned' && run.newAnswers > 0 && <Following run={run} />}
        {run?.goesAt && (
          <p className={parts.quiet}>
            If nobody applies it, this plan is given up <When at={run.goesAt} as="moment" />.
          </p>
        )}
        {run && <Outcomes run={run} show={show ?? firstShown(run)} />}
        {run && <History run={run} />}
      </div>
    </>
  );
}

const firstShown = (run: Run): Shown => outcomes.find((outcome) => run.counts[outcome] > 0) ?? 'created';

function Outcomes({ run, show }: { run: Run; show: Shown }) {
  const unmapped = Object.values(run.unmapped).reduce((sum, words) => sum + Object.keys(words).length, 0);
  const preview = run.jobs.find(({ kind, state }) => kind === 'preview' && state === 'done');
  const conflicts = run.jobs.find(({ outcome }) => outcome?.conflicts !== undefined)?.outcome?.conflicts;
  const tiles: { key: Shown; label: string; count: number | undefined }[] = [
    ...outcomes.map((key) => ({ key, label: outcomeNames[key], count: run.counts[key] })),
    { key: 'conflicts', label: 'Conflicts', count: conflicts },
    ...(run.candidates > 0 ? [{ key: 'candidates' as const, label: 'Maybe the same', count: run.candidates }] : []),
    ...(run.state === 'planned' ? [{ key: 'rules' as const, label: 'Rules', count: undefined }] : []),
    ...(unmapped > 0 ? [{ key: 'unmapped' as const, label: 'Not mapped', count: unmapped }] : []),
    ...(preview || run.state === 'undone'
      ? [
          {
            key: 'undo' as const,
            label: run.state === 'undone' ? 'Kept by the undo' : 'An undo keeps',
            count: run.state === 'undone' ? run.kept : preview?.outcome?.kept,
          },
        ]
      : []),
  ];
  const changed = Object.entries(run.changed);
  return (
    <section aria-label="Lines">
      <h2 className={parts.title}>{formatNumber(run.lines)} lines</h2>
      <ul className={classes.counts}>
        {tiles.map(({ key, label, count }) => (
          <li key={key}>
            <Link
              to="/imports/$run"
              params={{ run: run.id }}
              search={{ show: key }}
              replace
              className={classes.count}
              data-shown={key === show}
              aria-current={key === show ? 'true' : undefined}
            >
              {count !== undefined && <b>{formatNumber(count)}</b>}
              <span>{label}</span>
            </Link>
          </li>
        ))}
      </ul>
      {changed.length > 0 && (
        <p className={parts.quiet}>
          {formatNumber(changed.reduce((sum, [, lines]) => sum + lines, 0))} lines came out differently than planned,
          because somebody changed customers since.
        </p>
      )}
      {run.state === 'abandoned' && <p className={parts.quiet}>Its lines are removed: nobody applied it.</p>}
      {show === 'candidates' && <Candidates run={run} />}
      {show === 'rules' && <Rules key={run.steps.length} run={run} />}
      {show === 'unmapped' && <Unmapped run={run} />}
      {show === 'undo' && <KeptList run={run} />}
      {run.state !== 'abandoned' && isOfLines(show) && <RunRows key={show} run={run} show={show} />}
    </section>
  );
}

const isOfLines = (show: Shown) => show !== 'candidates' && show !== 'rules' && show !== 'unmapped' && show !== 'undo';

const stepNames = { plan: 'Planned', apply: 'Applied', undo: 'Undone', abandon: 'Given up' };

function History({ run }: { run: Run }) {
  const isThere = run.state === 'applying' || run.state === 'applied';
  const verified = isThere && run.jobs.find(({ outcome }) => outcome?.verified)?.outcome?.verified;
  return (
    <section aria-label="History">
      {verified && (
        <>
          <h2 className={parts.title}>
            {verified.isRight
              ? 'Verified: the database holds what the run says'
              : 'The database does not hold what the run says'}
          </h2>
          <ul className={parts.list}>
            {verified.checks.map(({ question, expected, found }) => (
              <li key={question} className={parts.item}>
                <span className={parts.what}>{sayField(question)}</span>
                <span className={parts.numbers}>
                  {found === expected
                    ? formatNumber(found)
                    : `${formatNumber(found)} of ${formatNumber(expected)}: look at them`}
                </span>
              </li>
            ))}
          </ul>
        </>
      )}
      <h2 className={parts.title}>History</h2>
      <ul className={parts.list}>
        {run.steps.toReversed().map((step) => (
          <li key={`${step.step} ${step.beganAt}`} className={parts.item}>
            <span className={parts.what}>
              {step.endedAt ? stepNames[step.step] : `${stepNames[step.step]}: not to the end`}
              {step.reason && `: ${step.reason}`}
            </span>
            <span className={parts.quiet}>
              {sayActor(step)} <When at={step.endedAt ?? step.beganAt} />
            </span>
          </li>
        ))}
      </ul>
    </section>
  );
}
