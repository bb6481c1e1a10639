/** The body of a refusal that http/problem.ts sends. */
type ProblemBody = {
  status?: number;
  code?: string;
  detail?: string;
  errors?: { field: string; message: string }[];
  expected?: number;
  actual?: number;
  current?: unknown;
  requestId?: string;
};

/** A server's refusal, in words for the person at the screen. */
export class Refusal extends Error {
  readonly status: number;
  /** A code of docs/error-codes.md; `unreachable` if no answer came. */
  readonly code: string;
  /** The error of each field, by the field's path. */
  readonly fields: Record<string, string>;
  /** The present record, for a version conflict. */
  readonly current: unknown;
  readonly requestId: string | undefined;

  constructor(status: number, { code = 'unknown', detail, errors = [], current, requestId }: ProblemBody) {
    super(detail ?? `The server answered ${status}. Try again.`);
    this.name = 'Refusal';
    this.status = status;
    this.code = code;
    this.fields = Object.fromEntries(errors.map(({ field, message }) => [field, message]));
    this.current = current;
    this.requestId = requestId;
  }

  /** Somebody changed the record since it was read. */
  get isConflict(): boolean {
    return this.code.endsWith('version-conflict');
  }
}

export const unreachable = () =>
  new Refusal(0, {
    code: 'unreachable',
    detail: 'The server cannot be reached. Nothing was changed. Check the connection and try again.',
  });

/** Makes a Refusal of any answer that is not ok. */
export async function readRefusal(answer: Response): Promise<Refusal> {
  const body = (await answer.json().catch(() => ({}))) as ProblemBody;
  return new Refusal(answer.status, body);
}

/** Any error as one sentence, with the wrong fields and the id of its log entry. */
export function describeError(error: unknown): string {
  if (!(error instanceof Refusal)) return error instanceof Error ? error.message : 'Something went wrong. Try again.';
  const fields = Object.entries(error.fields).map(([field, message]) => `${nameField(field)} ${message}.`);
  if (fields.length > 0) return fields.join(' ');
  return error.status >= 500 && error.requestId ? `${error.message} (${error.requestId})` : error.message;
}

/** `expected_close_on` → `Expected close on` */
export function nameField(field: string): string {
  const words = field.replace(/^custom\./, '').replaceAll('_', ' ');
  return words.charAt(0).toUpperCase() + words.slice(1);
}
