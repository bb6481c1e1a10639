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

/** Reads a list to its end, for a choice that must offer everything. */
export async function readAllPages<Answer extends { next_cursor: string | null }, Row>(
  fetchPage: (cursor: string | undefined) => Promise<Answer>,
  rowsOf: (page: Answer) => Row[],
): Promise<Row[]> {
  const rows: Row[] = [];
  for (let cursor: string | undefined; ; ) {
    const page = await fetchPage(cursor);
    rows.push(...rowsOf(page));
    if (page.next_cursor === null) return rows;
    cursor = page.next_cursor;
  }
}
