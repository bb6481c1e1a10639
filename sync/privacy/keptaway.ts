import { rowsOf, type Sql } from '../sql.ts';
import { NotAPerson, readWho } from './who.ts';

/** Whether an address or a number is kept away, because a person who had it was erased. @param client as privacy_app @throws NotAPerson */
export async function isKeptAway(client: Sql, who: string, country?: string): Promise<boolean> {
  const { email, phone } = requireReachable(who, country);
  const [row] = await rowsOf<{ suppressed: boolean }>(
    client,
    `select coalesce(platform.is_suppressed('email', $1), false) or coalesce(platform.is_suppressed('phone', $2), false) as suppressed`,
    [email, phone],
  );
  return row?.suppressed === true;
}

/** Reads an address or a number; an id is none of them. @throws NotAPerson */
export function requireReachable(who: string, country?: string) {
  const asked = readWho(who, country);
  if (!asked.email && !asked.phone) throw new NotAPerson('That is no address and no telephone number.');
  return asked;
}
