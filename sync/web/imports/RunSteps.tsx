import { formatNumber } from '@aether/ui/formats.ts';
import { showDone, showRefusal } from '@aether/ui/toasts.tsx';
import { Button } from '@mantine/core';
import { useMutation, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { ReasonDialog } from '../parts/ReasonDialog.tsx';
import { useMe } from '../shell/person.ts';
import classes from './imports.module.css';
import { abandonRun, askStep, type Run } from './queries.ts';

type Asked = 'apply' | 'undo' | 'abandon';
type RunStepsProps = { run: Run; isBusy: boolean };

/** What an administrator can do with a run in its state, and the files that can be downloaded. */
export function RunSteps({ run, isBusy }: RunStepsProps) {
  const { isAdmin } = useMe();
  const client = useQueryClient();
  const [asked, setAsked] = useState<Asked>();
  const again = () => client.invalidateQueries({ queryKey: ['imports'] });
  const asking = useMutation({
    mutationFn: (step: 'verify' | 'preview') => askStep(run.id, step),
    onError: (problem) => showRefusal('Nothing was asked of the worker', problem),
    onSettled: again,
  });
  const { created, updated } = run.counts;
  const canApply = run.state === 'planned' || run.state === 'applying';
  const canUndo = ['applying', 'applied', 'undoing'].includes(run.state) || (run.state === 'undone' && run.kept > 0);
  const isWritten = ['applying', 'applied', 'undoing'].includes(run.state);
  return (
    <div className={classes.actions}>
      {isAdmin && canApply && (
        <Button onClick={() => setAsked('apply')} disabled={isBusy || run.newAnswers > 0}>
          {run.state === 'applying' ? 'Go on applying…' : 'Apply…'}
        </Button>
      )}
      {isAdmin && isWritten && (
        <>
          <Button variant="default" disabled={isBusy} onClick={() => asking.mutate('verify')}>
            Verify
          </Button>
          <Button variant="default" disabled={isBusy} onClick={() => asking.mutate('preview')}>
            What would an undo keep?
          </Button>
        </>
      )}
      {isAdmin && canUndo && (
        <Button variant="default" color="red" disabled={isBusy} onClick={() => setAsked('undo')}>
          {run.state === 'undone' ? 'Try the rest again…' : run.state === 'undoing' ? 'Go on undoing…' : 'Undo…'}
        </Button>
      )}
      {isAdmin && run.state === 'planned' && (
        <Button variant="default" disabled={isBusy} onClick={() => setAsked('abandon')}>
          Give up…
        </Button>
      )}
      {(['rejected', 'held', 'excluded'] as const).map(
        (outcome) =>
          run.state !== 'abandoned' &&
          run.counts[outcome] > 0 && (
            <Button
              key={outcome}
              component="a"
              variant="default"
              href={`/api/imports/runs/${run.id}/lines?outcome=${outcome}`}
              download
            >
              Download {formatNumber(run.counts[outcome])} {outcome}
            </Button>
          ),
      )}
      {asked && (
        <ReasonDialog
          title={`${verbs[asked]} this import`}
          verb={verbs[asked]}
          {...(asked === 'undo' && { color: 'red' })}
          isOptional={asked === 'apply'}
          act={async (reason) => {
            if (asked === 'abandon') await abandonRun(run.id, reason);
            else await askStep(run.id, asked, reason || undefined);
          }}
          onDone={() => {
            setAsked(undefined);
            void again();
            showDone(
              asked === 'abandon'
                ? 'The plan is given up.'
                : 'The worker has it. It goes on also when you leave this page.',
            );
          }}
          onClose={() => setAsked(undefined)}
        >
          {asked === 'apply' &&
            `${formatNumber(created)} lines make customers, and ${formatNumber(updated)} give something to customers that are there. All of it can be undone.`}
          {asked === 'undo' &&
            'Customers that this import made go, and values that it wrote go back. What somebody has changed since is kept, and listed field by field.'}
          {asked === 'abandon' &&
            'Nothing of it was written. Its lines are removed, and the run stays in the history. The same file can be planned again.'}
        </ReasonDialog>
      )}
    </div>
  );
}

const verbs: Record<Asked, string> = { apply: 'Apply', undo: 'Undo', abandon: 'Give up' };
