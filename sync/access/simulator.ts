import { createPool } from '@aether/platform/log';
import type { Question, TrialAnswer } from './verdict.ts';

export type Simulator = {
  /** The logins as which a statement can be tried: each app of which the database has a function for it, a third app's too. */
  logins(): Promise<string[]>;
  /** Tries the statement that the question names, and takes it back. @throws when the database does not answer in time */
  tryAs(question: Question): Promise<TrialAnswer>;
  close(): Promise<void>;
};

/** The database has no function that tries a statement as this login. */
export class NoTrial extends Error {
  constructor(login: string) {
    super(`There is no trial for ${login}.`);
  }
}

const answerMs = 4_000;

/**
 * Opens the simulator with the login that can do nothing else: `simulator_app`. The console has no other use for it, and its own login may
 * not try anything. See docs/access.md.
 */
export function openSimulator(url: string): Simulator {
  const pool = createPool({
    url,
    max: 2,
    application_name: 'aether-simulator',
    connectionTimeoutMillis: answerMs,
    query_timeout: answerMs,
    idleTimeoutMillis: 30_000,
    allowExitOnIdle: true,
  });
  pool.on('error', () => {}); // the next question opens another connection
  async function readApps(): Promise<string[]> {
    const { rows } = await pool.query<{ app: string }>(
      `select substr(p.proname, 8) as app from pg_catalog.pg_proc p
       where p.pronamespace = 'sync'::regnamespace and p.proname ~ '^try_as_[a-z][a-z0-9_]*$'
         and has_function_privilege(p.oid, 'execute') order by app`,
    );
    return rows.map(({ app }) => app);
  }
  return {
    logins: async () => (await readApps()).map((app) => `${app}_app`),
    async tryAs({ login, table, verb, column, row, value }) {
      const app = login.replace(/_app$/, '');
      // A name of the catalogue, so that nothing that was sent becomes SQL.
      if (!(await readApps()).includes(app)) throw new NoTrial(login);
      const { rows } = await pool.query<{ answer: TrialAnswer }>(
        `select sync.try_as_${app}($1, $2, $3, $4, $5) as answer`,
        [table, verb, column, row, value],
      );
      return (rows[0] as { answer: TrialAnswer }).answer;
    },
    close: () => pool.end(),
  };
}
