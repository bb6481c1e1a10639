type Call = (method: string, path: string) => Promise<{ status: number; body: unknown }>;

/** The addresses of all lists of a server that are read page by page, as its OpenAPI document has them: `/api/companies/{id}/contacts`. */
export async function findLists(url: string): Promise<string[]> {
  const { paths } = (await (await fetch(`${url}/openapi.json`)).json()) as {
    paths: Record<string, { get?: { parameters?: { name: string; in: string }[] } }>;
  };
  const isList = ({ get }: (typeof paths)[string]) =>
    get?.parameters?.some((parameter) => parameter.in === 'query' && parameter.name === 'cursor');
  return Object.entries(paths).flatMap(([path, methods]) => (isList(methods) ? [path] : []));
}

/**
 * Gives the cursor of each list to each of them.
 *
 * @param lists addresses with a query, `/api/deals?sort=name`; each list has two rows or more.
 * @returns for each list those whose cursor it takes. Every other cursor was refused with 422, by name.
 */
export async function findTakenCursors(call: Call, lists: string[]): Promise<Record<string, string[]>> {
  const cursors: [list: string, cursor: string][] = [];
  for (const list of lists) {
    const { next_cursor } = (await call('GET', `${list}&limit=1`)).body as { next_cursor: string | null };
    if (next_cursor === null) throw new Error(`${list} has no second page`);
    cursors.push([list, next_cursor]);
  }
  const taken: Record<string, string[]> = {};
  for (const list of lists) {
    const answers = cursors.map(async ([of, cursor]) => {
      const { status, body } = await call('GET', `${list}&limit=1&cursor=${cursor}`);
      if (status === 200) return [of];
      const { errors } = body as { errors?: { field: string }[] };
      if (status !== 422 || errors?.[0]?.field !== 'cursor') throw new Error(`${list} answers ${status} to a cursor`);
      return [];
    });
    taken[list] = (await Promise.all(answers)).flat();
  }
  return taken;
}
