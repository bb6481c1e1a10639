import { formatNumber } from '@aether/ui/formats.ts';
import { ErrorNotice } from '@aether/ui/Notice.tsx';
import { showRefusal } from '@aether/ui/toasts.tsx';
import { Waiting } from '@aether/ui/Waiting.tsx';
import { Button } from '@mantine/core';
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { useState } from 'react';
import parts from '../parts/parts.module.css';
import { useMe } from '../shell/person.ts';
import classes from './imports.module.css';
import { type Answer, answerPair, type Candidate, candidatesQuery, type Run, replanRun } from './queries.ts';

const firstMax = 10;
const moreMax = 100;

/** Pairs of a plan that may be one person, those first that nobody has answered; a steward answers, and lets the plan follow. */
export function Candidates({ run }: { run: Run }) {
  const [limit, setLimit] = useState(firstMax);
  const plans = run.steps.filter(({ step }) => step === 'plan').length;
  const { data, error, refetch } = useQuery(candidatesQuery(run.id, limit, `${plans} ${run.state}`));
  const { isSteward } = useMe();
  const canAnswer = isSteward && run.state === 'planned';
  return (
    <>
      <p className={parts.quiet}>
        These may be the same person. Nothing joins them by itself.
        {canAnswer && ' An answer is kept: the same lines are not asked about again, in no file and by no rule.'}
        {!canAnswer && run.state === 'planned' && ' Stewards and administrators answer.'}
      </p>
      {error && <ErrorNotice title="The pairs could not be read" error={error} onRetry={refetch} />}
      {!data && !error && <Waiting lines={4} />}
      {data?.candidates.length === 0 && <p>There is none.</p>}
      <ul className={parts.list} aria-label="Maybe the same">
        {data?.candidates.map((each) => (
          <CandidateItem key={`${each.first.n} ${each.second?.n ?? each.customer?.id}`} {...{ run, each, canAnswer }} />
        ))}
      </ul>
      {data && data.candidates.length === limit && limit < moreMax && (
        <Button variant="default" mb={16} onClick={() => setLimit(moreMax)}>
          Show more
        </Button>
      )}
    </>
  );
}

/** Says that the plan does not follow all answers yet, and lets it follow. */
export function Following({ run }: { run: Run }) {
  const { isSteward } = useMe();
  const client = useQueryClient();
  const deciding = useMutation({
    mutationFn: () => replanRun(run.id),
    onError: (problem) => showRefusal('The plan was not decided again', problem),
    onSettled: () => client.invalidateQueries({ queryKey: ['imports'] }),
  });
  const isBusy = run.jobs.some(({ state }) => state === 'waiting' || state === 'working');
  return (
    <p className={classes.following} role="status">
      {run.newAnswers === 1
        ? 'One answer changes this plan. It may have been given in another import with the same lines.'
        : `${formatNumber(run.newAnswers)} answers change this plan. They may have been given in other imports with the same lines.`}{' '}
      The plan is not applied before it follows.
      {isSteward && (
        <Button size="xs" loading={deciding.isPending} disabled={isBusy} onClick={() => deciding.mutate()}>
          Decide the plan again
        </Button>
      )}
    </p>
  );
}

const isOneAddress = (one: string, other: string | null | undefined) => one.toLowerCase() === other?.toLowerCase();

const answerWords: Record<Answer, string> = { same: 'Same person', different: 'Different people', later: 'Later' };

function CandidateItem({ run, each, canAnswer }: { run: Run; each: Candidate; canAnswer: boolean }) {
  const client = useQueryClient();
  const { first, second, customer, score, reasons } = each;
  const answering = useMutation({
    mutationFn: (answer: Answer) =>
      answerPair(
        run.id,
        { n: first.n, ...(second ? { other_n: second.n } : customer && { customer: customer.id }) },
        answer,
      ),
    onError: (problem) => showRefusal('The answer was not kept', problem),
    onSettled: () => client.invalidateQueries({ queryKey: ['imports', 'run', run.id] }),
  });
  const said = answering.isPending ? answering.variables : each.answer;
  const one = first.name ?? first.email ?? `Line ${first.line}`;
  const other = second
    ? (second.name ?? second.email ?? `line ${second.line}`)
    : (customer?.name ?? 'a customer that is gone');
  return (
    <li className={parts.item}>
      <div className={parts.what}>
        <b>
          {one} and {other}
        </b>
        <span className={parts.quiet}>
          Line {formatNumber(first.line)} ({[first.email, first.phone].filter(Boolean).join(', ') || 'no address'}) and{' '}
          {second
            ? `line ${formatNumber(second.line)} (${[second.email, second.phone].filter(Boolean).join(', ') || 'no address'})`
            : `the customer ${customer?.email ?? ''}`}
        </span>
        <span>
          {Math.round(score * 100)} %: {reasons.join(' · ')}
        </span>
        {said === 'different' &&
          first.email !== null &&
          isOneAddress(first.email, second?.email ?? customer?.email) && (
            <span>
              An address belongs to one customer, so these lines stay held. Download the held lines, give each person an
              address of their own, or none to the one who has none, and import the mended file.
            </span>
          )}
        {customer && (
          <Link to="/customers/$id" params={{ id: customer.id }}>
            Look at the customer
          </Link>
        )}
      </div>
      {canAnswer && (second || customer) && (
        <fieldset className={classes.answers}>
          <legend>
            Are {one} and {other} the same person?
          </legend>
          {(['same', 'different', 'later'] as const).map((answer) => (
            <Button
              key={answer}
              size="xs"
              variant={said === answer ? 'filled' : 'default'}
              aria-pressed={said === answer}
              disabled={answering.isPending && said !== answer}
              onClick={() => said !== answer && answering.mutate(answer)}
            >
              {answerWords[answer]}
            </Button>
          ))}
        </fieldset>
      )}
      {!canAnswer && said && <span className={parts.quiet}>{answerWords[said]}</span>}
    </li>
  );
}
