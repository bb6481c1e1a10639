import pg from 'pg';
import type { Question, TrialAnswer } from './verdict.ts';

/** The apps whose rights can be tried: each has a function of its own in the database. */
export const triedLogins: Record<string, string> = {
  foundation_app: 'foundation',
  support_app: 'support',
  console_app: 'console',
};

export type Simulator = {
  /** Tries the statement that the question names, and takes it back. @throws when the database does not answer in time */
  tryAs(question: Question): Promise<TrialAnswer>;
  close(): Promise<void>;
};

const answerMs = 4_000;

/**
 * Opens the simulator with the login that can do nothing else: `simulator_app`. The console has no other use for it, and its own login may
 * not try anything. See docs/access.md.
 */
export function openSimulator(url: string): Simulator {
  const pool = new pg.Pool({
    connectionString: url,
    max: 2,
    application_name: 'aether-simulator',
    connectionTimeoutMillis: answerMs,
    query_timeout: answerMs,
    idleTimeoutMillis: 30_000,
    allowExitOnIdle: true,
  });
  pool.on('error', () => {}); // the next question opens another connection
  return {
    async tryAs({ login, table, verb, column, row, value }) {
      const app = triedLogins[login];
      if (!app) throw new Error(`no trial for ${login}`);
      const { rows } = await pool.query<{ answer: TrialAnswer }>(
        `select sync.try_as_${app}($1, $2, $3, $4, $5) as answer`,
        [table, verb, column, row, value],
      );
      return (rows[0] as { answer: TrialAnswer }).answer;
    },
    close: () => pool.end(),
  };
}
