import { readRefusal } from '@aether/ui/refusal.ts';
import { read } from '@aether/ui/request.ts';
import type { InferRequestType, InferResponseType } from 'hono/client';
import { acts } from './clients.ts';
import { type CustomerFilters, toQuery } from './customers.ts';

export type ActOutcome = InferResponseType<(typeof acts)['acts']['$post'], 200>;
type ActBody = InferRequestType<(typeof acts)['acts']['$post']>['json'];
export type CustomersChange = ActBody['change'];
export type NewTask = InferRequestType<(typeof acts)['acts']['tasks']['$post']>['json']['task'];
/** The chosen customers: with the versions that the person saw, or all that match but for some. */
export type ChosenCustomers = Pick<ActBody, 'chosen' | 'matching'>;

export const chosenMax = 500;

/** All that the filters of the list let through, but for a few. */
export function matchingCustomers(
  { sort: _, dir: __, ...filters }: CustomerFilters,
  except: string[],
): ChosenCustomers {
  return { matching: { ...toQuery(filters), ...(except.length > 0 && { except }) } };
}

/** @param id a new one, by which the act can be undone also if no answer comes */
export const changeCustomers = (chosen: ChosenCustomers, change: CustomersChange, id: string) =>
  read(acts.acts.$post({ json: { ...chosen, change, id } }));

export const addTasks = (chosen: ChosenCustomers, task: NewTask, client_id: string) =>
  read(acts.acts.tasks.$post({ json: { ...chosen, task, client_id } }));

export const undoAct = (id: string) => read(acts.acts[':id'].undo.$post({ param: { id }, json: {} }));

/** The chosen customers as a file. */
export async function exportCustomers(chosen: ChosenCustomers): Promise<Blob> {
  const answer = await acts.file.$post({ json: chosen });
  if (!answer.ok) throw await readRefusal(answer as unknown as Response);
  return (answer as unknown as Response).blob();
}
