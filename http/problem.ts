import { ConfigurationError, CustomerMerged, type Holder, PlatformError } from '@aether/platform';
import type { Context, ErrorHandler } from 'hono';
import { HTTPException } from 'hono/http-exception';
import type { ContentfulStatusCode } from 'hono/utils/http-status';
import type { Logger } from 'pino';
import { allows, type Caller } from './caller.ts';
import { z } from './input/zod.ts';

/** One refused field. `in` is left out if the field is in the body. */
export const FieldProblemSchema = z
  .object({
    field: z.string().openapi({ description: 'Path of the field: email, items[0].name', example: 'email' }),
    in: z.enum(['query', 'path', 'header', 'cookie']).optional().openapi({ description: 'Left out for the body.' }),
    message: z.string().openapi({ example: 'is required' }),
  })
  .openapi('FieldProblem');

/** The body of every refusal: problem details of RFC 9457. */
export const ProblemSchema = z
  .object({
    type: z.string().openapi({ example: 'urn:aether:problem:invalid-field' }),
    title: z.string().openapi({ example: 'Invalid field' }),
    status: z.int().openapi({ example: 422 }),
    code: z.string().openapi({ description: 'The last part of `type`: the stable name of this kind of refusal.' }),
    detail: z.string().openapi({ description: 'What to do next.' }),
    errors: z.array(FieldProblemSchema).optional(),
    expected: z.int().optional().openapi({ description: 'Version conflicts: the version the caller had.' }),
    actual: z.int().optional().openapi({ description: 'Version conflicts: the version there is now.' }),
    survivor: z.uuid().optional().openapi({ description: 'Merged customers: the id of the customer that goes on.' }),
    holder: z
      .object({ type: z.enum(['customer', 'company']), id: z.uuid(), name: z.string() })
      .optional()
      .openapi({
        description: 'The record that has the refused value, if it is known and the caller may read such records.',
      }),
    requestId: z.string().optional().openapi({ description: 'Names this request in the log.' }),
  })
  .openapi('Problem');

export type FieldProblem = z.infer<typeof FieldProblemSchema>;

type ProblemMembers = { expected: number; actual: number } | { survivor: string } | { holder: Holder };
type ProblemParts = {
  status: ContentfulStatusCode;
  /** In kebab-case, and stable, because clients branch on it. */
  code: string;
  /** The caller's next step. People see this text, so it must hold no personal data and no text of a driver. */
  detail: string;
  errors?: FieldProblem[];
  members?: ProblemMembers;
  headers?: Record<string, string>;
};

/** A refusal with a message for the client. Throw it anywhere below an app of `createApp`. */
export class Problem extends Error {
  readonly status: ContentfulStatusCode;
  readonly code: string;
  readonly errors: FieldProblem[];
  readonly members: ProblemMembers | undefined;
  readonly headers: Record<string, string>;

  constructor({ status, code, detail, errors = [], members, headers = {} }: ProblemParts) {
    super(detail);
    this.name = 'Problem';
    this.status = status;
    this.code = code;
    this.errors = errors;
    this.members = members;
    this.headers = headers;
  }

  /** The code in words. RFC 9457 asks for the same title at every occurrence. */
  get title(): string {
    return (this.code.charAt(0).toUpperCase() + this.code.slice(1)).replaceAll('-', ' ');
  }

  /** The JSON text of the answer. */
  toBody(requestId?: string): string {
    return JSON.stringify({
      type: `urn:aether:problem:${this.code}`,
      title: this.title,
      status: this.status,
      code: this.code,
      detail: this.message,
      errors: this.errors.length > 0 ? this.errors : undefined,
      ...this.members,
      requestId,
    });
  }

  /** The headers of the answer. */
  toHeaders(): Record<string, string> {
    return { 'Content-Type': 'application/problem+json', 'Cache-Control': 'no-store', ...this.headers };
  }
}

const fieldProblemsMax = 20;

/** 422: the listed fields are wrong. It names at most 20 of them. */
export function refuseFields(errors: FieldProblem[]): Problem {
  const detail =
    errors.length === 1
      ? 'Correct the field named in `errors` and send the request again.'
      : 'Correct the fields named in `errors` and send the request again.';
  return new Problem({ status: 422, code: 'invalid-field', detail, errors: errors.slice(0, fieldProblemsMax) });
}

/** Sends a problem as the answer to this request. */
export function answerProblem(c: Context, problem: Problem): Response {
  c.set('problem', problem.code);
  return c.body(problem.toBody(c.get('requestId')), problem.status, problem.toHeaders());
}

/**
 * The one place where an error becomes an answer. An unexpected error is logged once, and the client gets only the
 * request id.
 */
export function createErrorHandler(log: Logger, findHolder: FindHolder = async () => null): ErrorHandler {
  return async (error, c) => {
    const holder = await findHolderFor(error, c.get('caller'), findHolder).catch((failure) => {
      log.warn({ requestId: c.get('requestId'), err: failure }, 'holder not found');
      return null;
    });
    const problem = translateError(error, c, holder);
    const requestId = c.get('requestId');
    if (problem.status === 500) log.error({ requestId, err: error }, 'unexpected error');
    else if (problem.status > 500 && !(error instanceof Problem)) log.warn({ requestId, err: error }, 'not available');
    return answerProblem(c, problem);
  };
}

/** Finds the record that has what an error refused as taken. */
export type FindHolder = (error: unknown) => Promise<Holder | null>;

const readingScopes = { customer: 'customers.read', company: 'companies.read' } as const;

/**
 * The record that has the refused value. Only a caller who may read such records gets it: a visitor does not, nor a machine that may only
 * write.
 */
async function findHolderFor(
  error: unknown,
  caller: Caller | undefined,
  findHolder: FindHolder,
): Promise<Holder | null> {
  if (!caller || !(error instanceof PlatformError) || !error.taken) return null;
  const holder = await findHolder(error);
  return holder && allows(caller, readingScopes[holder.type]) ? holder : null;
}

/**
 * Turns any error into a problem, an unknown one into a bare 500.
 *
 * @param c the request, if there is one.
 * @param holder the record that has what was refused as taken, if the caller may know it.
 */
export function translateError(error: unknown, c?: Context, holder?: Holder | null): Problem {
  if (error instanceof Problem) return error;
  if (error instanceof ConfigurationError) return refuseConfiguration();
  if (error instanceof PlatformError && (error.httpStatus < 500 || error.httpStatus === 503))
    return translatePlatformError(error, c, holder);
  if (error instanceof HTTPException && error.status < 500) return translateHttpException(error);
  return new Problem({
    status: 500,
    code: 'internal-error',
    detail: 'This is our fault, not yours. Report it with the request id.',
  });
}

/** What was right at the start and is not any more, such as a password that the database knows no longer. The log has the sentence. */
function refuseConfiguration(): Problem {
  return new Problem({
    status: 503,
    code: 'configuration',
    detail:
      'The server and its database do not fit together at the moment, and its operator has to look. Try again later.',
    headers: { 'Retry-After': '10' },
  });
}

/** The platform names fields without knowing the request. A request without a body had them in its query. */
function translatePlatformError(
  error: PlatformError,
  c: Context | undefined,
  holder: Holder | null | undefined,
): Problem {
  const isInQuery = (field: string) => c?.req.method === 'GET' && c.req.query(field) !== undefined;
  const { code, httpStatus, message, fields, retryAfterSeconds, inFull } = error;
  const caller = c?.get('caller') as Caller | undefined;
  const isToldInFull = caller !== undefined && inFull !== undefined && allows(caller, inFull.scope);
  const versions = error as { expected?: unknown; actual?: unknown };
  const members =
    error instanceof CustomerMerged
      ? { survivor: error.survivor }
      : holder
        ? { holder }
        : typeof versions.expected === 'number' &&
          typeof versions.actual === 'number' && { expected: versions.expected, actual: versions.actual };
  return new Problem({
    status: httpStatus as ContentfulStatusCode,
    code,
    detail: isToldInFull ? inFull.message : message,
    errors: fields.map(({ field, message }) => ({ field, ...(isInQuery(field) && { in: 'query' }), message })),
    ...(members && { members }),
    ...(retryAfterSeconds !== undefined && { headers: { 'Retry-After': String(retryAfterSeconds) } }),
  });
}

/** Hono's own refusals. Their messages are not passed on: some quote the input. */
function translateHttpException({ status }: HTTPException): Problem {
  if (status === 415)
    return new Problem({
      status,
      code: 'unsupported-media-type',
      detail: 'Send the body as JSON with `Content-Type: application/json`.',
    });
  return new Problem({
    status,
    code: 'malformed-request',
    detail: 'Check the request against /openapi.json and send it again.',
  });
}

const meanings: Record<number, string> = {
  400: 'The request is malformed.',
  401: 'A valid token is needed.',
  403: 'Not allowed.',
  404: 'There is no such thing.',
  409: 'The change does not fit the present state.',
  410: 'It was erased.',
  412: 'The record is at another version than `If-Match` names: `actual` is the present one.',
  413: 'The body is too large.',
  415: 'The body is not JSON.',
  422: 'A field is not valid; `errors` names it.',
  429: 'Too many requests.',
  503: 'Not available at the moment.',
};

type ProblemResponse = {
  description: string;
  content: { 'application/problem+json': { schema: typeof ProblemSchema } };
};

/** The refusals of a route, for `responses` of `createRoute`: `{ 200: …, ...problems(404, 422) }`. */
export function problems<Status extends number>(...statuses: Status[]): Record<Status, ProblemResponse> {
  const content = { 'application/problem+json': { schema: ProblemSchema } };
  const entries = statuses.map((status) => [status, { description: meanings[status] ?? 'Refused.', content }]);
  return Object.fromEntries(entries) as Record<Status, ProblemResponse>;
}
