import { Problem } from '@aether/http';
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
    return await orProblem(work);
  } catch (error) {
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
