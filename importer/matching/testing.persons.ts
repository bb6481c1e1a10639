import type { Matchable } from './keys.ts';

type Given = Partial<
  Record<'first' | 'last' | 'name' | 'email' | 'phone' | 'city' | 'birth' | 'company' | 'id', string>
> & {
  line?: number;
  emails?: string[];
};

/** A person as reading would give it; '' is as if it were not given. */
export function personOf({ line = 1, first, last, name, email, emails, phone, city, birth, company, id }: Given) {
  return {
    line,
    name: name || null,
    firstName: first || null,
    lastName: last || null,
    emails: (emails ?? (email ? [email] : [])).map((address) => ({ address, key: address.toLowerCase() })),
    phones: phone ? [{ written: phone, key: phone, extension: null, isShared: false }] : [],
    city: city || null,
    birthDate: birth || null,
    company: company ? { externalId: null, name: company, domain: null } : null,
    externalId: id || null,
  } satisfies Matchable & { line: number };
}
