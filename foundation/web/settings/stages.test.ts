import { expect, test } from 'vitest';
import type { Pipeline } from '../api/records.ts';
import { addStage, listRemoved, moveStage, readStages } from './stages.ts';

const stage = (id: number, outcome: 'open' | 'won' = 'open') => ({
  id,
  name: `S${id}`,
  outcome,
  probability_percent: 50,
});
const pipeline: Pipeline = {
  id: 1,
  name: 'Sales',
  is_default: true,
  version: 1,
  stages: [stage(1), stage(2), stage(3, 'won')],
};
const keys = (stages: { key: string }[]) => stages.map(({ key }) => key);

test('each new stage comes behind the last open one and has its own key', () => {
  const once = addStage(readStages(pipeline));
  expect(keys(once)).toEqual(['1', '2', 'new-1', '3']);
  expect(keys(addStage(once))).toEqual(['1', '2', 'new-1', 'new-2', '3']);
});

test('a stage moves by one place, and not beyond the ends', () => {
  const stages = readStages(pipeline);
  expect(keys(moveStage(stages, 0, 1))).toEqual(['2', '1', '3']);
  expect(keys(moveStage(stages, 2, -1))).toEqual(['1', '3', '2']);
  expect(moveStage(stages, 0, -1)).toBe(stages);
  expect(moveStage(stages, 2, 1)).toBe(stages);
});

test('the removed stages include stored stages and no new ones', () => {
  const stages = addStage(readStages(pipeline)).filter(({ id }) => id !== 2);
  expect(listRemoved(pipeline, stages).map(({ id }) => id)).toEqual([2]);
});
