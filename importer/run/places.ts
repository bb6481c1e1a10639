import type { ImportClient } from './records.ts';

/** A line of the run or a customer. */
export type Place = { n?: number; customer?: string };
export type NamedPlace = Place & { line?: number; name: string | null; email: string | null };

/** Lines and customers with their names and addresses, in the order of `places`. A customer that is gone has none. */
export async function namePlaces(client: ImportClient, run: string, places: Place[]): Promise<NamedPlace[]> {
  const { rows } = await client.query<{
    n: number | null;
    line: string | null;
    customer: string | null;
    name: string | null;
    email: string | null;
  }>('select * from sync.name_import_places($1, $2, $3)', [
    run,
    places.flatMap(({ n }) => n ?? []),
    places.flatMap(({ customer }) => customer ?? []),
  ]);
  const named = new Map(rows.map((row) => [row.n ?? row.customer, row]));
  return places.map((place) => {
    const { line = null, name = null, email = null } = named.get(place.n ?? place.customer ?? null) ?? {};
    return { ...place, ...(line !== null && { line: Number(line) }), name, email };
  });
}
