import { CustomerErased, CustomerMerged } from './errors.ts';
import type { Write } from './log/transaction.ts';

/**
 * Runs a step, and runs it once more if its customer is merged or erased between the step's own look at the customer and its write.
 * The step looks the customer up itself: the second time it finds the survivor or no customer.
 *
 * @param write the options of the step. In the caller's transaction nothing is repeated, because a refused statement has undone all of it.
 * @param step a whole transaction.
 */
export async function repeatIfGone<T>(write: Write, step: () => Promise<T>): Promise<T> {
  try {
    return await step();
  } catch (error) {
    if (write.tx === undefined && (error instanceof CustomerMerged || error instanceof CustomerErased)) return step();
    throw error;
  }
}
