import { showRefusal } from '@aether/ui/toasts.tsx';
import { Button, Group, Progress } from '@mantine/core';
import { useMutation, useQueryClient } from '@tanstack/react-query';
import { useMe } from '../shell/person.ts';
import classes from './imports.module.css';
import { cancelJob, isOpen, type Job } from './queries.ts';
import { sayProgress } from './words.ts';

/** How far the worker is, and a button to stop it. What has failed says why. */
export function JobProgress({ job }: { job: Job }) {
  const { isAdmin, isSteward } = useMe();
  const client = useQueryClient();
  const stopping = useMutation({
    mutationFn: () => cancelJob(job.id),
    onError: (problem) => showRefusal('It was not stopped', problem),
    onSettled: () => client.invalidateQueries({ queryKey: ['imports'] }),
  });
  if (!isOpen(job))
    return job.error === null ? null : (
      <p className={classes.progress} role="alert">
        {job.error}
      </p>
    );
  const { share } = job.progress;
  const isOfSteward = job.kind === 'replan' || job.kind === 'whatif';
  const mayStop = job.kind !== 'recognise' && (isAdmin || (isSteward && isOfSteward));
  return (
    <div className={classes.progress}>
      <Group justify="space-between" gap={8} mb={6}>
        <span role="status">{sayProgress(job)}</span>
        {mayStop && (
          <Button variant="default" size="xs" disabled={job.is_cancelled} onClick={() => stopping.mutate()}>
            Stop
          </Button>
        )}
      </Group>
      <Progress
        value={share === undefined ? 100 : share * 100}
        animated={share === undefined}
        aria-label={share === undefined ? 'Under way' : `Progress: ${Math.round(share * 100)} percent`}
      />
    </div>
  );
}
