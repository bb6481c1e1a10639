/** The record that has a value which no second one may have. */
export type Holder = { type: 'customer' | 'company'; id: string; name: string };

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
  holder?: Holder;
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
  /** The present version, for a version conflict. */
  readonly actual: number | undefined;
  /** The record that has the refused value, if this person may see it. */
  readonly holder: Holder | undefined;
  /** It is a change, and it is not known whether the server has made it. */
  isUncertain = false;

  constructor(status: number, body: ProblemBody) {
    const { code = 'unknown', detail, errors = [], current, requestId, actual, holder } = body;
    super(detail ?? `The server answered ${status}. Try again.`);
    this.name = 'Refusal';
    this.status = status;
    this.code = code;
    this.fields = Object.fromEntries(errors.map(({ field, message }) => [field, message]));
    this.current = current;
    this.requestId = requestId;
    this.actual = actual;
    this.holder = holder;
  }

  /** The same refusal, of these fields only. */
  only(fields: string[]): Refusal {
    const errors = fields.map((field) => ({ field, message: this.fields[field] ?? '' }));
    const { status, code, message: detail, requestId, holder } = this;
    return new Refusal(status, { code, detail, errors, requestId, holder });
  }

  /** Somebody changed the record since it was read. */
  get isConflict(): boolean {
    return this.code.endsWith('version-conflict');
  }
}

/** No answer came. After a change that was sent, nobody here can know whether the server has made it: the answer may be what was lost. */
export const unreachable = ({ isSentChange = false } = {}): Refusal => {
  const detail = isSentChange
    ? 'It may be done or not. Look again when the connection is back.'
    : 'The server cannot be reached. Check the connection and try again.';
  const refusal = new Refusal(0, { code: 'unreachable', detail });
  refusal.isUncertain = isSentChange;
  return refusal;
};

/** Makes a Refusal of any answer that is not ok. */
export async function readRefusal(answer: Response): Promise<Refusal> {
  const body = (await answer.json().catch(() => ({}))) as ProblemBody;
  return new Refusal(answer.status, body);
}

/** Any error as one sentence, with the wrong fields and the id of its log entry. */
export function describeError(error: unknown): string {
  if (!(error instanceof Refusal)) return error instanceof Error ? error.message : 'Something went wrong. Try again.';
  if (error.holder) return `It belongs to ${error.holder.name}.`;
  const fields = Object.entries(error.fields).map(([field, message]) =>
    sayOf(nameField(field.replace(/_id$/, '')), message),
  );
  if (fields.length > 0) return fields.join(' ');
  return error.status >= 500 && error.requestId ? `${error.message} (${error.requestId})` : error.message;
}

/** The same for a form that keeps what was typed. Without an answer it says so: nothing may look sent that is not. */
export function describeKept(error: unknown): string {
  if (!(error instanceof Refusal) || error.code !== 'unreachable') return describeError(error);
  return globalThis.navigator?.onLine === false
    ? 'No connection: kept here as a draft, nothing was sent. Try again when it is back.'
    : 'The server does not answer: kept here as a draft. Try again in a moment.';
}

/** The server's words for programs, and what a person is told instead. */
const plainWords: [RegExp, string][] = [
  [/^(is required$|needs at least 1 (character|entry)$|must be text$)/, 'This is needed.'],
  [/^(must be a UUID|must be (one of )?"|is no currency)/, 'Choose one from the list.'],
  [/^names a record that does not exist$/, 'This one does not exist any more: choose another.'],
  [/^must be a time such as/, 'Write a date and a time.'],
  [/^must be a date such as/, 'Write a date.'],
  [/^must be a (whole )?number$/, 'Write a number.'],
  [/^is not of the right form$/, 'This is not written correctly.'],
  [/^is taken$/, 'This is taken already: choose another.'],
];
const limitOf = /^may have at most (\d+ \w+)$/;

const findPlain = (message: string): string | undefined =>
  plainWords.find(([words]) => words.test(message))?.[1] ??
  (limitOf.test(message) ? message.replace(limitOf, 'At most $1 are possible.') : undefined);

/** The server's reason against a field, which is the end of a sentence that begins with the field's name, as a sentence below the field. */
export const sayFault = (message: string): string => findPlain(message) ?? `It ${message.replace(/\.$/, '')}.`;

/** The same with the name of the field, for a place where the field is not in sight. */
function sayOf(name: string, message: string): string {
  const plain = findPlain(message);
  return plain ? `${name}: ${plain}` : `${name} ${message.replace(/\.$/, '')}.`;
}

/** `expected_close_on` → `Expected close on`; of a path such as `rules.questions[0].answer` only the end, which people know: `Answer` */
export function nameField(field: string): string {
  const words = field
    .replace(/(\[\d+\])+/g, '')
    .replace(/^.*\./, '')
    .replaceAll('_', ' ');
  return words.charAt(0).toUpperCase() + words.slice(1);
}
