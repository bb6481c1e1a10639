import { type ImportClient, throwRefusal } from './records.ts';
import { readRun } from './runs.ts';
import { prepareSteps } from './steps.ts';

export const answers = ['same', 'different', 'later'] as const;
export type Answer = (typeof answers)[number];

/** A line of a plan by its place in the run, and what it is compared with. */
export type AnswerPair = { n: number; otherN?: number; customer?: string };

/**
 * Keeps what a person says of two lines of a plan, or of a line and a customer. It is kept by what the lines are known by in their sources, so
 * the same file again does not ask again, and no rule overrides it.
 *
 * @returns whether the plan must be decided again for it (replanImport). @throws ImportRefused
 */
export async function answerPair(
  client: ImportClient,
  run: string,
  { n, otherN, customer }: AnswerPair,
  answer: Answer,
  { actor }: { actor?: string } = {},
): Promise<boolean> {
  await readRun(client, run);
  await prepareSteps(client, actor);
  const { rows } = await client
    .query<{ changes: boolean }>('select sync.decide_import_pair($1, $2, $3, $4, $5) as changes', [
      run,
      n,
      otherN ?? null,
      customer ?? null,
      answer,
    ])
    .catch(throwRefusal);
  return rows[0]?.changes === true;
}
