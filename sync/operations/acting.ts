import type pg from 'pg';
import { rowsOf, type Sql } from '../sql.ts';

/**
 * Why an act was refused. not-found: there is no such subscription, event or run. not-possible: not in this state, such as a rewind of a
 * subscription that is not paused. busy: somebody else, such as a step of it, holds it longer than this waits, so try again. too-many: take
 * a frozen set.
 */
export type Refusal = 'not-found' | 'not-possible' | 'busy' | 'too-many' | 'invalid' | 'not-allowed';

/** An act on a subscription, a failure or a run was refused, and changed nothing. */
export class OperationRefused extends Error {
  readonly refusal: Refusal;
  constructor(refusal: Refusal, message: string, cause?: unknown) {
    super(message, { cause });
    this.name = 'OperationRefused';
    this.refusal = refusal;
  }
}

const refusals: Record<string, Refusal> = {
  P0002: 'not-found',
  '55000': 'not-possible',
  '55P03': 'busy',
  '54000': 'too-many',
  '22023': 'invalid',
  '42501': 'not-allowed',
};

/** Calls a function of 0008_operations.sql, which returns what came of it. @throws OperationRefused */
export async function act<Outcome>(client: Sql, call: string, values: unknown[]): Promise<Outcome> {
  try {
    const [row] = await rowsOf<{ outcome: Outcome }>(client, `select ${call} as outcome`, values);
    return (row as { outcome: Outcome }).outcome;
  } catch (error) {
    throw toRefusal(error);
  }
}

/** The refusal in our own function's words; any other error as it came. */
export function toRefusal(error: unknown): unknown {
  const database = [error, (error as { cause?: unknown } | undefined)?.cause].find(
    (each): each is pg.DatabaseError => typeof (each as pg.DatabaseError | undefined)?.code === 'string',
  );
  const refusal = database && refusals[database.code as string];
  if (!refusal) return error;
  const words = refusal === 'busy' ? 'somebody else is at work on it at this moment: try again' : database.message;
  return new OperationRefused(refusal, `${words.charAt(0).toUpperCase()}${words.slice(1)}.`, error);
}

export const noSubscription = (name: string) =>
  new OperationRefused('not-found', `There is no subscription ${name}: \`aether events subscriptions\` lists them.`);
