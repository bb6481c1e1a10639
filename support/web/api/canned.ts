import { read } from '@aether/ui/request.ts';
import { queryOptions } from '@tanstack/react-query';
import { cannedAnswers } from './clients.ts';
import type { CannedAnswer } from './records.ts';

export const cannedQuery = queryOptions({
  queryKey: ['canned'],
  staleTime: 60_000,
  queryFn: ({ signal }) => read(cannedAnswers.$get({ query: {} }, { init: { signal } })),
});

type Input = Omit<CannedAnswer, 'id'>;
export const createCanned = (json: Input) => read(cannedAnswers.$post({ json }));
export const changeCanned = (id: string, json: Partial<Input>) =>
  read(cannedAnswers[':id'].$patch({ param: { id }, json }));
export const deleteCanned = (id: string) => read(cannedAnswers[':id'].$delete({ param: { id } }));
