import { CustomerErased, CustomerMerged } from './errors.ts';
import type { Write } from './log/transaction.ts';

/**
 * Runs a step, and runs it once more if its customer is merged or erased between the step's own look at the customer and its write.
 * The step looks the customer up itself: the second time it finds the survivor, or nobody.
 *
 * @param write as the step was given it. In the caller's transaction nothing is repeated: a refused statement has undone all of it.
 * @param step a whole transaction of its own.
 */
export async function repeatIfGone<T>(write: Write, step: () => Promise<T>): Promise<T> {
  try {
    return await step();
  } catch (error) {
    if (write.tx === undefined && (error instanceof CustomerMerged || error instanceof CustomerErased)) return step();
    throw error;
  }
}
