import type { PlatformDb } from '@aether/platform';
import { canonicaliseEmail } from '@aether/platform';
import { sayReason } from './matching/reasons.ts';
import { createModelReader, findSimilar, personOf } from './similar.ts';

/** A person who is being written down, as far as it is typed. What cannot be read yet says nothing. */
export type Draft = {
  name?: string | undefined;
  email?: string | undefined;
  phone?: string | undefined;
  /** Of a number without +. */
  country?: string | undefined;
  company_id?: string | null | undefined;
};

/** A customer that may be the same person, with what speaks for it in words, the strongest first. */
export type Hint = { id: string; name: string; email: string; reasons: string[] };

const hintsMax = 3;
/** What differs is for the queue: a hint says why somebody should look. */
const reasonsMax = 3;
const isAgainst = (reason: string) => /\.(different|alike)$|\.generation$/.test(reason);

/**
 * Hints at customers that may be the person who is about to be written down: see 0032_detection.sql. It reads what every app may read of
 * customers, and a key that too many share is not looked at, so an answer takes milliseconds.
 */
export function openHints(db: PlatformDb): (draft: Draft) => Promise<Hint[]> {
  const readModel = createModelReader();
  return async ({ name, email, phone, country, company_id }) => {
    const address = email ? canonicaliseEmail(email.trim()) : undefined;
    const number = phone ? db.readPhone(phone.trim(), country) : undefined;
    const [company] = company_id
      ? await db.query<{ name: string; domain: string | null }>(
          'select name, domain from platform.companies where id = $1',
          [company_id],
        )
      : [];
    const person = personOf({
      name: name?.trim() || null,
      emails: address?.ok ? [address.key] : [],
      phones: number ? [number.key] : [],
      company: company ?? null,
    });
    const [found] = await findSimilar(db, await readModel(db), [{ person }]);
    return (found?.similar ?? []).slice(0, hintsMax).map(({ id, name, email, reasons }) => ({
      id,
      name,
      email,
      reasons: reasons
        .filter((reason) => !isAgainst(reason))
        .slice(0, reasonsMax)
        .map(sayReason),
    }));
  };
}
