import type { ProblemCodes } from '@aether/http';

/** What the console refuses beyond what every server does. */
export const consoleCodes: ProblemCodes = {
  409: [
    'addresses-changed',
    'several-persons',
    'legal-hold',
    'job-runs',
    'list-needed',
    'needs-another-person',
    'nothing-left',
  ],
  422: ['not-a-person', 'no-list', 'too-many-people'],
  503: ['privacy-missing', 'privacy-busy', 'simulator-missing', 'trial-unanswered'],
};
