import { formatNumber } from '@aether/ui/formats.ts';
import { showRefusal } from '@aether/ui/toasts.tsx';
import { Button, Checkbox, NumberInput } from '@mantine/core';
import { useMutation, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import parts from '../parts/parts.module.css';
import { useMe } from '../shell/person.ts';
import classes from './imports.module.css';
import { askWhatIf, type PairChange, type Run, replanRun, type Threshold, thresholds } from './queries.ts';
import { ruleNames, thresholdNames } from './words.ts';

type Matching = Run['matching'];
const textsOf = ({ rules, ...numbers }: Matching): string[] => [
  ...Object.entries(rules).map(([rule, isOn]) => `${rule}=${isOn ? 'on' : 'off'}`),
  ...thresholds.map((threshold) => `${threshold}=${numbers[threshold]}`),
];

/** The rules that join the lines of a plan: change one, see which pairs would be gained and lost, and decide the plan by them. */
export function Rules({ run }: { run: Run }) {
  const { isSteward } = useMe();
  const client = useQueryClient();
  const [wish, setWish] = useState(run.matching);
  const again = () => client.invalidateQueries({ queryKey: ['imports'] });
  const asking = useMutation({
    mutationFn: () => askWhatIf(run.id, textsOf(wish)),
    onError: (problem) => showRefusal('Nothing was asked of the worker', problem),
    onSettled: again,
  });
  const deciding = useMutation({
    mutationFn: () => replanRun(run.id, textsOf(wish)),
    onError: (problem) => showRefusal('The plan was not decided again', problem),
    onSettled: again,
  });
  const isBusy = run.jobs.some(({ state }) => state === 'waiting' || state === 'working');
  const canAct = isSteward && run.state === 'planned';
  const isChanged = textsOf(wish).join() !== textsOf(run.matching).join();
  const job = run.jobs.find(({ kind, state }) => kind === 'whatif' && state === 'done');
  const answer = job?.outcome?.whatIf;
  const isOfWish = answer?.matching.join() === textsOf(wish).join();
  return (
    <>
      <p className={parts.quiet}>
        These rules join lines by themselves. What people have answered comes before all of them. A question changes
        nothing.
      </p>
      <fieldset className={classes.rules} disabled={!canAct}>
        <legend>Rules</legend>
        {Object.entries(wish.rules).map(([rule, isOn]) => (
          <Checkbox
            key={rule}
            label={ruleNames[rule] ?? rule}
            checked={isOn}
            onChange={({ currentTarget }) =>
              setWish({ ...wish, rules: { ...wish.rules, [rule]: currentTarget.checked } })
            }
          />
        ))}
      </fieldset>
      <div className={classes.settings}>
        {thresholds.map((threshold: Threshold) => {
          const { label, detail, ...limits } = thresholdNames[threshold];
          return (
            <NumberInput
              key={threshold}
              label={label}
              description={detail}
              value={wish[threshold]}
              disabled={!canAct}
              decimalScale={4}
              clampBehavior="strict"
              {...limits}
              onChange={(value) => typeof value === 'number' && setWish({ ...wish, [threshold]: value })}
            />
          );
        })}
      </div>
      {canAct && (
        <div className={classes.actions}>
          <Button
            variant="default"
            disabled={!isChanged || isBusy}
            loading={asking.isPending}
            onClick={() => asking.mutate()}
          >
            What would change?
          </Button>
          <Button disabled={!isChanged || isBusy} loading={deciding.isPending} onClick={() => deciding.mutate()}>
            Decide the plan by these
          </Button>
        </div>
      )}
      {answer && isOfWish && isChanged && (
        <section aria-label="What would change">
          <Change title="would be joined as well" change={answer.gained} />
          <Change title="would no longer be joined" change={answer.lost} />
        </section>
      )}
    </>
  );
}

function Change({ title, change }: { title: string; change: PairChange }) {
  return (
    <>
      <h3 className={parts.title}>
        {change.pairs === 1 ? '1 pair' : `${formatNumber(change.pairs)} pairs`} {title}
      </h3>
      {change.examples.length > 0 && (
        <ul className={parts.list}>
          {change.examples.map(({ sides, rule, reasons }) => (
            <li key={sides.map(({ n, customer }) => n ?? customer).join(' ')} className={parts.item}>
              <div className={parts.what}>
                <b>{sides.map(({ name, email, line }) => name ?? email ?? `line ${line}`).join(' and ')}</b>
                <span className={parts.quiet}>
                  {sides
                    .map(({ line, email }) => (line ? `Line ${formatNumber(line)}` : `The customer ${email ?? ''}`))
                    .join(' and ')}
                  {rule && ` · ${ruleNames[rule] ?? rule}`}
                </span>
                <span>{reasons.join(' · ')}</span>
              </div>
            </li>
          ))}
        </ul>
      )}
    </>
  );
}
