/** Codes of refusals, by their status. docs/error-codes.md says what each asks of the caller, and docs.test.ts compares the two. */
export type ProblemCodes = Readonly<Record<number, readonly string[]>>;

/** What every server can answer: the edge, sign-in and the platform. An app adds its own: `problems` of `startServer`. */
export const houseCodes: ProblemCodes = {
  400: [
    'malformed-json',
    'malformed-url',
    'malformed-http',
    'malformed-request',
    'body-not-utf8',
    'body-incomplete',
    'body-too-deep',
    'too-many-entries',
    'forbidden-key',
    'repeated-key',
    'sign-in-expired',
    'sign-in-failed',
  ],
  401: ['not-signed-in', 'sign-in-timed-out', 'token-refused', 'metrics-token'],
  403: [
    'token-lacks-scope',
    'person-only',
    'csrf-token-wrong',
    'foreign-page',
    'admin-only',
    'steward-only',
    'readers-only-read',
    'field-not-owned',
    'sign-in-refused',
    'sign-in-not-allowed',
    'user-left',
  ],
  404: ['not-found', 'no-such-route'],
  405: ['method-not-allowed'],
  408: ['request-timeout'],
  409: [
    'request-under-way',
    'transaction-conflict',
    'client-id-reused',
    'already-exists',
    'customer-version-conflict',
    'company-version-conflict',
    'customer-merged',
    'person-erased',
    'email-taken',
    'primary-address',
    'primary-phone',
    'move-refused',
    'merge-undone',
  ],
  410: ['customer-erased', 'position-dropped'],
  412: ['precondition-failed'],
  413: ['body-too-large'],
  415: ['unsupported-media-type'],
  417: ['unknown-expectation'],
  422: ['invalid-field', 'invalid-email', 'reference-not-found', 'idempotency-key-reused', 'same-customer'],
  429: ['too-many-streams'],
  431: ['headers-too-large'],
  500: ['internal-error', 'transaction-aborted'],
  503: [
    'database-busy',
    'database-full',
    'database-read-only',
    'database-unavailable',
    'configuration',
    'identity-provider-unavailable',
    'too-many-streams',
    'not-ready',
  ],
};

/** The codes of several lists. */
export function joinCodes(...lists: ProblemCodes[]): ProblemCodes {
  const statuses = new Set(lists.flatMap((list) => Object.keys(list).map(Number)));
  return Object.fromEntries([...statuses].map((status) => [status, lists.flatMap((list) => list[status] ?? [])]));
}
