import { read } from '@aether/ui/request.ts';
import { queryOptions } from '@tanstack/react-query';
import { pipelines } from './clients.ts';
import type { PipelineStages } from './records.ts';

/** All pipelines with their stages, the default one first. */
export const pipelinesQuery = queryOptions({
  queryKey: ['pipelines'],
  queryFn: ({ signal }) => read(pipelines.$get({}, { init: { signal } })),
  staleTime: 60_000,
});

const keyOf = (id: number) => ({ param: { id: String(id) } });

export const createPipeline = (name: string) => read(pipelines.$post({ json: { name } }));

export const changePipeline = (id: number, json: { name?: string; is_default?: true; expected_version?: number }) =>
  read(pipelines[':id'].$patch({ ...keyOf(id), json }));

export const changeStages = (id: number, json: PipelineStages) =>
  read(pipelines[':id'].stages.$put({ ...keyOf(id), json }));

export const deletePipeline = (id: number) => read(pipelines[':id'].$delete(keyOf(id)));
