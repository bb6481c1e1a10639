import { queryOptions } from '@tanstack/react-query';
import { call } from './call.ts';
import type { CannedAnswer } from './records.ts';

export const cannedQuery = queryOptions({
  queryKey: ['canned'],
  staleTime: 60_000,
  queryFn: ({ signal }) => call<{ canned_answers: CannedAnswer[] }>('GET', 'canned-answers', { signal }),
});

type Input = Omit<CannedAnswer, 'id'>;
export const createCanned = (body: Input) => call<CannedAnswer>('POST', 'canned-answers', { body });
export const changeCanned = (id: string, body: Partial<Input>) =>
  call<CannedAnswer>('PATCH', `canned-answers/${id}`, { body });
export const deleteCanned = (id: string) => call<void>('DELETE', `canned-answers/${id}`);
