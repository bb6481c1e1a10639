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

/**
 * Lets a person come back by the receipt: all that the erasure has listed, also the keys of imported lines without an address and an id,
 * which nobody can name.
 *
 * @param erasure the id of the receipt
 * @returns how much was kept away
 */
export async function liftErasure(client: Sql, erasure: string, reason: string): Promise<number> {
  const [row] = await rowsOf<{ lifted: number }>(client, 'select platform.lift_erasure($1, $2)::float8 as lifted', [
    erasure,
    reason,
  ]);
  return row?.lifted ?? 0;
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
      if (!one || typeof one.customer !== 'string' || !Array.isArray(one.people) || !Array.isArray(one.suppressed))
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

export type Repeated = {
  erased: number;
  suppressed: number;
  /** People who came after the backup. */
  unknown: number;
  /** Customers whom a legal hold of the backup keeps. They are there, and not kept away. */
  held: string[];
};

/**
 * Erases again, in a restored database, whom the list names, and keeps them away. Those who came after the backup are not there, and are
 * only kept away. Records that were merged after the backup are erased one by one. What is done already changes nothing.
 *
 * @param client as privacy_app, with `aether.actor` set
 */
export async function repeatErasures(client: Sql, list: ErasedOne[]): Promise<Repeated> {
  const done: Repeated = { erased: 0, suppressed: 0, unknown: 0, held: [] };
  for (const { customer, people, reason, erasedAt, suppressed } of list) {
    const ids = [...new Set([customer, ...people])];
    const persons = await rowsOf<{ customer: string }>(
      client,
      `select distinct p.customer from unnest($1::uuid[]) id cross join platform.person(id) p where p.customer is not null`,
      [ids],
    );
    if (persons.length === 0) done.unknown++;
    const held: string[] = [];
    let isNew = false;
    for (const { customer: present } of persons) {
      try {
        const { state, again } = await eraseCustomer(client, present, reason);
        if (state === 'asked')
          throw new Error('Two people are needed: switch that off for the restore, in the settings.');
        isNew ||= !again;
      } catch (error) {
        if ((error as { constraint?: string }).constraint !== 'legal_hold') throw error;
        held.push(present);
      }
    }
    if (isNew) done.erased++;
    done.held.push(...held);
    if (held.length > 0) continue;
    const [row] = await rowsOf<{ kept: string }>(
      client,
      'select platform.repeat_suppression($1, $2, $3, $4, $5) as kept',
      [customer, ids, reason, erasedAt, JSON.stringify(suppressed)],
    );
    done.suppressed += Number(row?.kept);
  }
  return done;
}
