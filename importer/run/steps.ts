import { setTimeout as wait } from 'node:timers/promises';
import { type ImportClient, throwRefusal } from './records.ts';

/*
 * Applying and undoing go in steps, each a transaction of the database that also says how far it came. So a step that was lost is done
 * again, and two processes that do the same run take turns.
 */

const stepTimeoutMs = 60_000;
/** Sorting takes seconds. */
const sortTimeoutMs = 600_000;
/** Six million lines are planned within some minutes. */
const planTimeoutMs = 1_800_000;
const attemptsMax = 8;
const raced = new Set(['40001', '40P01']);

/** Runs one statement until it loses no race. */
export async function runStep<Row extends object>(client: ImportClient, sql: string, values: unknown[]): Promise<Row> {
  for (let attempt = 1; ; attempt++) {
    try {
      const { rows } = await client.query<Row>(sql, values);
      return rows[0] as Row;
    } catch (error) {
      if (!raced.has((error as { code?: string }).code ?? '') || attempt === attemptsMax) return throwRefusal(error);
      await wait(Math.random() * 20 * attempt);
    }
  }
}

export async function prepareSteps(client: ImportClient, actor: string | undefined): Promise<void> {
  await client.query(`set statement_timeout = ${stepTimeoutMs}`);
  await endWithCaller(client);
  await client.query('select set_config($1, $2, false)', ['aether.actor', actor ?? '']);
}

/** As prepareSteps, for the statements of a plan, each of which reads all lines. */
export async function preparePlan(client: ImportClient, actor = ''): Promise<void> {
  await client.query(`set statement_timeout = ${planTimeoutMs}`);
  await endWithCaller(client);
  await client.query('select set_config($1, $2, false)', ['aether.actor', actor]);
}

/** A statement whose caller is gone ends within a second, and what it has done is taken back. Otherwise it would keep its run for minutes. */
const endWithCaller = (client: ImportClient) => client.query(`set client_connection_check_interval = '1s'`);

/** The search reads new customers one by one until this has sorted them. */
export async function sortSearch(client: ImportClient): Promise<void> {
  await client.query(`set statement_timeout = ${sortTimeoutMs}`);
  await client.query('select platform.sort_customer_search()');
  await client.query(`set statement_timeout = ${stepTimeoutMs}`);
}
