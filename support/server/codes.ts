import { filesCodes } from '@aether/files';
import { joinCodes, type ProblemCodes } from '@aether/http';
import { mailCodes } from '@aether/mail';

/** What Support refuses beyond what every server does. */
export const supportCodes: ProblemCodes = joinCodes(filesCodes, mailCodes, {
  401: ['token-required', 'identity-refused'],
  403: ['origin-not-allowed', 'agent-only', 'conversation-of-another-team'],
  409: [
    'chatbot-version-conflict',
    'widget-version-conflict',
    'widget-in-use',
    'widget-of-team',
    'team-version-conflict',
    'team-in-use',
    'sharing-version-conflict',
    'session-ended',
    'session-claimed',
    'session-changed',
    'session-open',
    'already-rated',
    'agent-inactive',
    'caller-ambiguous',
    'number-ambiguous',
  ],
  429: ['too-many-requests'],
});
