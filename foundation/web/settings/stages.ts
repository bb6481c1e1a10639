import type { Pipeline, Stage, StageInput } from '../api/records.ts';

/** A stage while it is edited; the key stays the same from its first keystroke on. */
export type EditedStage = StageInput & { key: string };

export function readStages(pipeline: Pipeline): EditedStage[] {
  return pipeline.stages.map((stage) => ({ ...stage, key: String(stage.id) }));
}

/** The stages with a new open stage behind the last open one. */
export function addStage(stages: EditedStage[]): EditedStage[] {
  const at = stages.findLastIndex(({ outcome }) => outcome === 'open') + 1;
  const numbers = stages.map(({ key }) => Number(/^new-(\d+)$/.exec(key)?.[1] ?? 0));
  const key = `new-${Math.max(0, ...numbers) + 1}`;
  return stages.toSpliced(at, 0, { key, name: '', outcome: 'open', probability_percent: 50 });
}

/** The stages with the one at `index` moved one place up (-1) or down (1). */
export function moveStage(stages: EditedStage[], index: number, by: -1 | 1): EditedStage[] {
  const stage = stages[index];
  const to = index + by;
  if (!stage || to < 0 || to >= stages.length) return stages;
  return stages.toSpliced(index, 1).toSpliced(to, 0, stage);
}

/** The stored stages that the edited list no longer has. */
export function listRemoved(pipeline: Pipeline, stages: EditedStage[]): Stage[] {
  return pipeline.stages.filter(({ id }) => !stages.some((stage) => stage.id === id));
}
