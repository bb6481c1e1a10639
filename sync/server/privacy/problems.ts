import { Problem } from '@aether/http';
import { toRefusal } from '../../operations/acting.ts';
import type { Privacy } from '../../privacy/connection.ts';
import { SeveralPersons } from '../../privacy/person.ts';
import { NotAPerson } from '../../privacy/who.ts';
import { orProblem } from '../acting.ts';

/** @throws Problem if this console has no login of privacy */
export function requirePrivacy(privacy: Privacy | undefined): Privacy {
  if (privacy) return privacy;
  throw new Problem({
    status: 503,
    code: 'privacy-missing',
    detail: 'This console has no login for privacy. Set PRIVACY_APP_URL: docs/privacy.md says how.',
  });
}

/** Runs work about a person; what it refuses becomes a problem that says why. */
export async function orPrivacyProblem<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await orProblem(() => work().catch((error) => Promise.reject(toRefusal(error))));
  } catch (error) {
    const { constraint } = error as { constraint?: string };
    if (constraint === 'legal_hold')
      throw new Problem({
        status: 409,
        code: 'legal-hold',
        detail: 'A legal hold keeps this customer. Release it first, with a reason.',
      });
    if (constraint === 'customer_erased')
      throw new Problem({ status: 409, code: 'customer-erased', detail: 'This customer was erased: see its receipt.' });
    if (error instanceof NotAPerson) throw new Problem({ status: 422, code: 'not-a-person', detail: error.message });
    if (error instanceof SeveralPersons)
      throw new Problem({ status: 409, code: 'several-persons', detail: error.message });
    if (error instanceof Error && /timeout exceeded when trying to connect/.test(error.message))
      throw new Problem({
        status: 503,
        code: 'privacy-busy',
        detail: 'Other exports are under way: try again when they have ended.',
      });
    throw error;
  }
}

/** Who acts, for the record: a person, or a machine whose token has the scope. */
export const actorOf = (c: { get(name: 'actor'): { id: string } | undefined }): string =>
  c.get('actor')?.id ?? 'machine';
