import type pg from 'pg';

/** Puts a pair into the queue as an import does, without one. @returns its id */
export async function propose(
  owner: pg.Client,
  a: string,
  b: string,
  more: Record<string, unknown> = {},
): Promise<string> {
  const pair = { a, b, score: 0.9, reasons: ['family.equal'], ...more };
  await owner.query(`select platform.propose_candidates($1, 'import', 'matching-1')`, [JSON.stringify([pair])]);
  const { rows } = await owner.query(
    'select id from platform.review_candidates where customer_id = least($1::uuid, $2::uuid) and other_id = greatest($1::uuid, $2::uuid)',
    [a, b],
  );
  return rows[0]?.id;
}
