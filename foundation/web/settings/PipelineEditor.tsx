import { describeKept } from '@aether/ui/refusal.ts';
import { Tag } from '@aether/ui/Tag.tsx';
import { showDone, showRefusal } from '@aether/ui/toasts.tsx';
import { describeDraft, useDraft } from '@aether/ui/useDraft.ts';
import { Alert, Button, TextInput } from '@mantine/core';
import { IconPlus } from '@tabler/icons-react';
import { useMutation, useQueryClient } from '@tanstack/react-query';
import { useEffect } from 'react';
import { changePipeline, changeStages, deletePipeline } from '../api/pipelines.ts';
import type { Pipeline } from '../api/records.ts';
import { StageRow } from './StageRow.tsx';
import classes from './settings.module.css';
import { addStage, type EditedStage, listRemoved, moveStage, readStages } from './stages.ts';
import { WhereTo } from './WhereTo.tsx';

const nameStages = ({ stages }: Pipeline): string => stages.map(({ name }) => name).join(', ');

/** What is edited, and the pipeline as it was when that began. `moveTo`: where the deals of a removed stage go. */
const begin = (pipeline: Pipeline) => ({
  begun: pipeline,
  name: pipeline.name,
  stages: readStages(pipeline),
  moveTo: {} as Record<string, number>,
});
const isUnchanged = ({ begun, name, stages }: ReturnType<typeof begin>): boolean =>
  name === begun.name && JSON.stringify(stages) === JSON.stringify(readStages(begun));

/** What keeps the pipeline from being saved, if anything. */
const findFault = (name: string, stages: EditedStage[]): string | undefined =>
  name.trim() === '' || stages.some((stage) => stage.name.trim() === '') ? 'Everything needs a name.' : undefined;

/** One pipeline: its name, its stages in order, and whether new deals begin in it. Saved as a whole. */
export function PipelineEditor({ pipeline }: { pipeline: Pipeline }) {
  const client = useQueryClient();
  const draft = useDraft(`pipeline:${pipeline.id}`, begin(pipeline), isUnchanged);
  const { begun, name, stages, moveTo } = draft.value;
  const setStages = (next: EditedStage[]) => draft.change({ stages: next });
  const removed = listRemoved(begun, stages);
  const isChanged = draft.isThere;
  const restart = (from: Pipeline) => draft.set(begin(from));
  const fault = isChanged ? findFault(name, stages) : undefined;
  const isOld = pipeline.version > begun.version;
  useEffect(() => {
    if (isOld && !isChanged) restart(pipeline);
  });
  const refresh = () =>
    Promise.all(['pipelines', 'board', 'deals'].map((key) => client.invalidateQueries({ queryKey: [key] })));
  const save = useMutation({
    mutationFn: async () => {
      const { version } =
        name === begun.name ? begun : await changePipeline(begun.id, { name, expected_version: begun.version });
      const saved = await changeStages(begun.id, {
        stages: stages.map(({ key: _, ...stage }) => stage),
        ...(Object.keys(moveTo).length > 0 && { move_to: moveTo }),
        expected_version: version,
      });
      restart(saved);
      showDone(`${name} was saved.`);
      await refresh();
    },
    onError: () => void refresh(),
  });
  const failing = (title: string) => ({ onSuccess: refresh, onError: (error: unknown) => showRefusal(title, error) });
  const makeDefault = useMutation({
    mutationFn: () => changePipeline(pipeline.id, { is_default: true }),
    ...failing('The default was not changed'),
  });
  const remove = useMutation({
    mutationFn: () => deletePipeline(pipeline.id),
    ...failing('The pipeline was not removed'),
  });
  return (
    <section aria-label={pipeline.name}>
      <h2 className={classes.title}>
        {pipeline.name}
        {pipeline.is_default && <Tag tone="accent">Default</Tag>}
      </h2>
      <div className={classes.list}>
        <div className={classes.row}>
          <TextInput
            aria-label={`Name of ${pipeline.name}`}
            value={name}
            onChange={(event) => draft.change({ name: event.currentTarget.value })}
          />
          {!pipeline.is_default && (
            <Button variant="subtle" onClick={() => makeDefault.mutate()}>
              Begin new deals here
            </Button>
          )}
          <Button variant="subtle" color="gray" ml="auto" onClick={() => remove.mutate()}>
            Remove the pipeline
          </Button>
        </div>
        {stages.map((stage, index) => (
          <StageRow
            key={stage.key}
            stage={stage}
            isFirst={index === 0}
            isLast={index === stages.length - 1}
            onChange={(next) => setStages(stages.map((each) => (each.key === stage.key ? next : each)))}
            onMove={(by) => setStages(moveStage(stages, index, by))}
            onRemove={() => setStages(stages.filter(({ key }) => key !== stage.key))}
          />
        ))}
        {removed.map((stage) => (
          <WhereTo
            key={stage.id}
            stage={stage}
            stages={stages}
            value={moveTo[stage.id]}
            onChange={(id) => draft.change({ moveTo: { ...moveTo, [stage.id]: id } })}
          />
        ))}
        {isOld && isChanged && (
          <Alert color="yellow" c="var(--warn)" m="xs" role="alert" title="Somebody else changed this pipeline">
            <p>What you see is yours, and not saved. Theirs has the stages {nameStages(pipeline)}.</p>
            <Button variant="default" onClick={() => restart(pipeline)}>
              Take theirs, and begin again
            </Button>
          </Alert>
        )}
        {save.error && !isOld && (
          <Alert color="red" c="var(--bad)" m="xs" role="alert">
            {describeKept(save.error)}
          </Alert>
        )}
        <div className={classes.foot}>
          <Button variant="subtle" leftSection={<IconPlus size={15} />} onClick={() => setStages(addStage(stages))}>
            Add a stage
          </Button>
          <span className={classes.detail} role="status" style={{ marginInlineStart: 'auto' }}>
            {fault ?? describeDraft(draft)}
          </span>
          {isChanged && (
            <Button variant="default" onClick={draft.discard}>
              Discard
            </Button>
          )}
          <Button disabled={!isChanged || fault !== undefined} loading={save.isPending} onClick={() => save.mutate()}>
            Save {pipeline.name}
          </Button>
        </div>
      </div>
    </section>
  );
}
