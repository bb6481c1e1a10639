import { line, Problem, z } from '@aether/http';
import { OperationRefused, type Refusal } from '../operations/acting.ts';

const statuses: Record<Refusal, 403 | 404 | 409 | 422 | 503> = {
  'not-found': 404,
  'not-possible': 409,
  busy: 503,
  'too-many': 422,
  invalid: 422,
  'not-allowed': 403,
};

/** Runs an act or a reading of the operations; what it refuses becomes a problem that says why. */
export async function orProblem<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof OperationRefused)) throw error;
    throw new Problem({ status: statuses[error.refusal], code: error.refusal, detail: error.message });
  }
}

/** Why a person acts. It is kept with the act, so it must not hold what may not be kept. */
export const reason = () => line({ charactersMax: 500 });

export const json = <Schema extends z.ZodType>(description: string, schema: Schema) => ({
  description,
  content: { 'application/json': { schema } },
});

export const moment = () => z.string().openapi({ format: 'date-time' });
/** Counts end at 10,000; 10,001 says that there are more. */
export const count = () => z.int().openapi({ description: 'Up to 10,000; 10,001 says that there are more.' });
export const subscriptionName = () =>
  z.string().regex(/^[a-z][a-z0-9_.-]{0,79}$/, 'must be the name of a subscription');
export const webhookName = () =>
  z.string().regex(/^[a-z][a-z0-9_]*\.[a-z0-9_.-]{1,40}$/, 'must be the name of a webhook, such as billing.tiers');
export const causeId = () => z.string().regex(/^[0-9a-f]{16}$/, 'must be the id of a cause');
export const eventKey = () => line({ charactersMax: 255 });
export const position = () =>
  z.coerce
    .number()
    .int()
    .min(0)
    .max(Number.MAX_SAFE_INTEGER)
    .openapi({ type: 'integer', description: 'The number of an event.' });
