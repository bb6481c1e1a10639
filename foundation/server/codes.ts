import { filesCodes } from '@aether/files';
import { joinCodes, type ProblemCodes } from '@aether/http';
import { mailCodes } from '@aether/mail';

/** What Foundation refuses beyond what every server does. */
export const foundationCodes: ProblemCodes = joinCodes(filesCodes, mailCodes, {
  403: ['not-yours', 'conversation-not-shared'],
  409: [
    'deal-version-conflict',
    'contact-version-conflict',
    'pipeline-version-conflict',
    'tier-version-conflict',
    'reporting-version-conflict',
    'deal-closed',
    'deal-open',
    'primary-contact',
    'no-open-stage',
    'tier-in-use',
    'loss-reason-in-use',
    'stage-in-use',
    'pipeline-in-use',
    'choice-in-use',
    'last-admin',
    'own-departure',
  ],
  422: ['filter-outdated'],
});
