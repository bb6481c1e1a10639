import { rowsOf, type Sql } from '../sql.ts';
import { eraseCustomer } from './erasing.ts';
import { readWho } from './who.ts';

/** Of one erasure, what a restored database needs: ids and keyed hashes, no address. */
export type ErasedOne = {
  customer: string;
  people: string[];
  reason: string;
  erasedAt: string;
  suppressed: { kind: 'email' | 'phone' | 'source'; hash: string }[];
};

/**
 * Lets an address, a number, or an id of a source come back.
 *
 * @returns whether it was kept away
 */
export async function liftSuppression(
  client: Sql,
  who: string,
  { reason, source, country }: { reason: string; source?: string; country?: string },
): Promise<boolean> {
  const { email, phone } = source === undefined ? readWho(who, country) : { email: null, phone: null };
  const wishes: [kind: string, value: string][] = [
    ...(source !== undefined ? [['source', `${source}:id:${who}`] as [string, string]] : []),
    ...(email ? [['email', email] as [string, string]] : []),
    ...(phone ? [['phone', phone] as [string, string]] : []),
  ];
  if (wishes.length === 0) throw new Error(`${who} is no address and no number.`);
  let isLifted = false;
  for (const wish of wishes) {
    const [row] = await rowsOf<{ lifted: boolean }>(client, 'select platform.lift_suppression($1, $2, $3) as lifted', [
      ...wish,
      reason,
    ]);
    isLifted ||= row?.lifted === true;
  }
  return isLifted;
}

/** Who was erased, the oldest first: for a file beside the backups. */
export async function listErased(client: Sql): Promise<ErasedOne[]> {
  const rows = await rowsOf<{ one: ErasedOne }>(client, 'select platform.list_suppressions() as one');
  return rows.map(({ one }) => one);
}

/** Reads what `aether privacy keep` printed. Pure. @throws when a line is none of it */
export function readErased(text: string): ErasedOne[] {
  return text
    .split('\n')
    .filter((line) => line.trim() !== '')
    .map((line, index) => {
      const one = parse(line);
      if (!one || typeof one.customer !== 'string' || !Array.isArray(one.suppressed))
        throw new Error(`Line ${index + 1} is none of \`aether privacy keep\`.`);
      return one;
    });
}

function parse(line: string): ErasedOne | undefined {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}

/**
 * Erases again, in a restored database, whom the list names, and keeps them away. Those who came after the backup are not there, and are
 * only kept away. What is done already changes nothing.
 *
 * @param client as privacy_app, with `aether.actor` set
 */
export async function repeatErasures(
  client: Sql,
  list: ErasedOne[],
): Promise<{ erased: number; suppressed: number; unknown: number }> {
  const done = { erased: 0, suppressed: 0, unknown: 0 };
  for (const { customer, reason, suppressed } of list) {
    const [person] = await rowsOf<{ customer: string | null }>(client, 'select customer from platform.person($1)', [
      customer,
    ]);
    if (person?.customer) {
      const { state, again } = await eraseCustomer(client, customer, reason);
      if (state === 'asked')
        throw new Error('Two people are needed: switch that off for the restore, in the settings.');
      if (!again) done.erased++;
    } else done.unknown++;
    const [row] = await rowsOf<{ kept: string }>(client, 'select platform.repeat_suppression(uuidv7(), $1) as kept', [
      JSON.stringify(suppressed),
    ]);
    done.suppressed += Number(row?.kept);
  }
  return done;
}
