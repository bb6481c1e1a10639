import { type ImportClient, ImportRefused } from './records.ts';

export type Verified = { isRight: boolean; checks: { question: string; expected: number; found: number }[] };

/** Compares what a run says with what the database holds. @throws ImportRefused if there is no such run */
export async function verifyImport(client: ImportClient, run: string): Promise<Verified> {
  const { rows } = await client.query<{ question: string; expected: string; found: string }>(
    'select question, expected, found from sync.verify_import($1)',
    [run],
  );
  if (rows.length === 0 || rows[0]?.expected === null) throw new ImportRefused(`There is no run ${run}.`);
  const checks = rows.map(({ question, expected, found }) => ({
    question,
    expected: Number(expected),
    found: Number(found),
  }));
  return { isRight: checks.every(({ expected, found }) => expected === found), checks };
}
