import type { ProblemCodes } from '@aether/http';

/** What the console refuses beyond what every server does. */
export const consoleCodes: ProblemCodes = {
  409: ['addresses-changed', 'several-persons', 'legal-hold'],
  422: ['not-a-person'],
  503: ['privacy-missing', 'privacy-busy', 'simulator-missing', 'trial-unanswered'],
};
