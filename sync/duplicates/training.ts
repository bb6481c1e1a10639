import { makeModel, PersonTable, packModel, rulesVersion } from '@aether/importer';
import { type Asked, readKnown } from '@aether/importer/similar';

/** A model of so many says what one of all would: see importer/matching/model.ts. */
const sampledMax = 100_000;
const perFetch = 2_000;

/** Makes the model of the customers and keeps it. For a hundred thousand it keeps a processor busy for seconds. */
export async function trainModel(on: Asked): Promise<void> {
  const [row] = await on.query<{ customers: number | string; ids: string[] }>(
    'select sync.about_customers() as customers, sync.sample_customers($1) as ids',
    [sampledMax],
  );
  const { customers = 0, ids = [] } = row ?? {};
  const table = new PersonTable();
  for (let at = 0; at < ids.length; at += perFetch)
    for (const { person } of (await readKnown(on, ids.slice(at, at + perFetch))).values())
      table.add(person, { customer: table.size + 1 });
  const { model, words } = packModel(makeModel(table, Math.max(Number(customers), table.size)));
  await on.query('select sync.keep_match_model($1, $2, $3, $4)', [
    rulesVersion,
    customers,
    JSON.stringify(model),
    Buffer.from(words),
  ]);
}
