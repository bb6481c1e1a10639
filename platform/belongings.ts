import { refuseChange } from './customers.ts';
import { NotFound } from './errors.ts';
import { isUuid } from './fields.ts';
import type { Connection } from './log/connection.ts';
import { TransactionConflict } from './log/errors.ts';
import type { Queryable, Statement } from './log/query.ts';
import type { InTransaction, Transaction, Write } from './log/transaction.ts';

/** What the functions of the database answer that change an address or a telephone number of a customer. */
type Changed = { held: string | null; id: string | null; version: number | null };
export type BelongingWrite = Write & { expectedVersion?: number | undefined };

/** The belongings of a customer after a change of one of them. */
export type ChangedBelongings<Belonging> = {
  /** The customer who has them; for a merged customer, the survivor. */
  customerId: string;
  /** The id of the one that the change was about. */
  id: string;
  /** The version of the customer after the change. */
  version: number;
  all: Belonging[];
};

/**
 * Reads and changes what a customer has several of: addresses, telephone numbers. Each change counts as a change of the customer: it raises
 * the customer's version and can be given `expectedVersion`. A merged customer's id leads to the survivor.
 *
 * @param reads where they are read outside of a transaction.
 * @param what the name of one, for a refusal.
 * @param listStatement lists those of the customer `$1`; of a merged one, those of the survivor.
 */
export function belongingsOf<Belonging extends object>(
  connection: Connection,
  reads: Queryable,
  what: string,
  listStatement: Statement,
) {
  const list = (customerId: string, { tx }: InTransaction = {}): Promise<Belonging[]> =>
    (tx ?? reads).run<Belonging>(listStatement, [customerId]);

  /**
   * Runs a function of the database.
   *
   * @param statement takes the customer, `values`, and the expected version; gives held, id and version.
   * @throws VersionConflict, CustomerErased, NotFound
   */
  async function change(
    statement: Statement,
    customerId: string,
    values: unknown[],
    write: BelongingWrite,
  ): Promise<ChangedBelongings<Belonging>> {
    if (!isUuid(customerId)) throw new NotFound('customer');
    return connection.within(write, async (tx: Transaction) => {
      const [changed] = await tx.run<Changed>(statement, [customerId, ...values, write.expectedVersion ?? null]);
      const { held, id, version } = changed as Changed;
      if (held === null) {
        await refuseChange(tx, customerId, write.expectedVersion);
        throw new TransactionConflict(); // the customer was merged or changed between the two statements
      }
      if (id === null || version === null) throw new NotFound(what);
      return { customerId: held, id, version, all: await list(held, { tx }) };
    });
  }

  /** Changes the one of this id. */
  async function changeOne(
    statement: Statement,
    customerId: string,
    id: string,
    write: BelongingWrite,
  ): Promise<ChangedBelongings<Belonging>> {
    if (!isUuid(id)) throw new NotFound(what);
    return change(statement, customerId, [id], write);
  }

  return { list, change, changeOne };
}
