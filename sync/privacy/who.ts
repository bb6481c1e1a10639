import { canonicaliseEmail } from '@aether/platform';
import { readPhone } from '@aether/platform/phone';

/** What a person is asked for by: an address, a telephone number, or an id or number of a record. A number may be both. */
export type Who = { email: string | null; phone: string | null; id: string | null };

/** The text names nobody: it is no address, no number and no id. */
export class NotAPerson extends Error {
  constructor(why: string) {
    super(`${why} Name a person by an address, a telephone number (+49 30 …), or an id or number of a customer.`);
    this.name = 'NotAPerson';
  }
}

const charactersMax = 300;

/**
 * Reads what a person is asked for by. Pure.
 *
 * @param country of numbers that are written without one, such as DE
 * @throws NotAPerson
 */
export function readWho(text: string, country?: string): Who {
  const asked = text.trim();
  if (asked === '' || asked.length > charactersMax) throw new NotAPerson(`That has ${asked.length} characters.`);
  if (asked.includes('@')) {
    const email = canonicaliseEmail(asked);
    if (!email.ok) throw new NotAPerson(`The address ${email.message}.`);
    return { email: email.key, phone: null, id: null };
  }
  const phone = readPhone(asked, country)?.key ?? null;
  const id = /^[A-Za-z0-9][A-Za-z0-9._:/-]{0,127}$/.test(asked) ? asked : null;
  if (!phone && !id) throw new NotAPerson('That is no address, no telephone number and no id.');
  return { email: null, phone, id };
}
