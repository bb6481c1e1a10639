import type { Statement } from './query.ts';
import { rememberingMayWrite } from './reading.ts';
import type { Transaction } from './transaction.ts';

const mayWrite = rememberingMayWrite();
const setTrace: Statement = { name: 'set-trace', text: `select set_config('aether.trace', $1, true)` };

/**
 * The transaction of a subscription, for the handling of one event after another: what the handler of an event changes carries the trace of
 * that event. One transaction handles many events, so the trace is set before the first write for each; reads do without it.
 */
export function traceEach(tx: Transaction): (trace: string | null) => Transaction {
  // Undefined: unknown, because a rollback to a savepoint takes the setting back.
  let current: string | undefined;
  let setting: Promise<unknown> = Promise.resolve();

  return (given) => {
    const trace = given ?? '';
    async function setBefore(text: string): Promise<void> {
      if (current !== trace && mayWrite(text)) {
        current = trace;
        setting = tx.run(setTrace, [trace]);
      }
      await setting;
    }
    return {
      ...tx,
      async query(text, values, limit) {
        await setBefore(text);
        return tx.query(text, values, limit);
      },
      async run(statement, values) {
        await setBefore(statement.text);
        return tx.run(statement, values);
      },
      endWith(statement, values) {
        tx.endWith(setTrace, [trace]);
        tx.endWith(statement, values);
      },
      savepoint: (work) =>
        tx.savepoint(work).catch((error) => {
          current = undefined;
          setting = Promise.resolve();
          throw error;
        }),
    };
  };
}
