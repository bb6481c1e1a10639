import type pg from 'pg';
import { beforeAll, describe, expect, test } from 'vitest';
import { isLong } from '../testing.sample.ts';
import { createTestDatabase } from '../testing.ts';
import { lintSchema } from './lints.ts';

type Case = { offence: string; found: string[]; neighbour: string; role?: string };

/** A table without any offence. */
export const table = (name: string, columns: string) =>
  `create table crm.${name} (${columns}); call platform.protect_table('crm.${name}');`;

/** A database of one test file, to offend against the lints in. */
export function useLints() {
  let superuser: pg.Client;
  beforeAll(async () => {
    superuser = await (await createTestDatabase()).connect('postgres');
  });

  /** The findings after these statements, which are rolled back: the lints end the transaction in which they run. */
  async function findAfter(
    sql: string,
    { role = 'platform_owner', only }: { role?: string | undefined; only?: string } = {},
  ) {
    await superuser.query(`begin; set local role ${role}; ${sql}; reset role`);
    const findings = await lintSchema(superuser, only);
    return findings.map(({ lint, object }) => `${lint}: ${object}`);
  }

  /**
   * Each offence is found, by this lint alone, and its harmless neighbour is not. That no other lint finds it too is asked of the first offence, and of
   * all in `npm run test:long`: all lints take 80 ms of a core.
   */
  function lint(name: string, cases: Record<string, Case>): void {
    describe(name, () => {
      const [first] = Object.keys(cases);
      test.each(Object.entries(cases))('finds %s', async (each, { offence, found, neighbour, role }) => {
        const whole = isLong || each === first;
        expect(await findAfter(offence, { role, ...(!whole && { only: name }) })).toEqual(
          found.map((object) => `${name}: ${object}`),
        );
        expect(await findAfter(neighbour, { role, only: name })).toEqual([]);
      });
    });
  }

  return { lint, findAfter, superuser: () => superuser };
}
