import { infiniteQueryOptions, keepPreviousData } from '@tanstack/react-query';

/** A list that loads page by page with the server's cursors. While filters change, the former rows stay in sight. */
export function listOptions<Answer extends { next_cursor: string | null }, Key extends readonly unknown[]>(
  queryKey: Key,
  fetchPage: (cursor: string | undefined, signal: AbortSignal) => Promise<Answer>,
) {
  return infiniteQueryOptions({
    queryKey,
    initialPageParam: undefined as string | undefined,
    queryFn: ({ pageParam, signal }) => fetchPage(pageParam, signal),
    getNextPageParam: (page) => page.next_cursor ?? undefined,
    placeholderData: keepPreviousData,
  });
}
