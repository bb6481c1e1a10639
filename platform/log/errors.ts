/** What is wrong with one field of the caller's input, in words that may be shown. */
export type FieldError = { field: string; message: string };

/** What another record has: the address, the domain, or the number that an app gave. */
export type Taken = { by: 'email' | 'domain' | 'crm_id' | 'support_id'; value: string };

/**
 * Every refusal by platformDb. `message` names the next step and is safe to show to a client; the driver's own words
 * are in `cause`, for the log. docs/error-codes.md lists the codes.
 */
export class PlatformError extends Error {
  readonly code: string;
  readonly httpStatus: number;
  readonly fields: FieldError[];
  readonly retryAfterSeconds: number | undefined;
  /** The constraint of the database that refused, if one did: for code that asks which of its own constraints it was. It reaches no client. */
  readonly constraint: string | undefined;
  /** The refused value that another record has, if it is known: `findHolder` finds that record. It reaches no client. */
  taken: Taken | undefined;
  /** What is said instead of the message to callers who may read the record: a token needs this scope for it. */
  readonly inFull: { scope: string; message: string } | undefined;

  constructor(
    code: string,
    httpStatus: number,
    message: string,
    {
      fields = [],
      retryAfterSeconds,
      inFull,
      cause,
    }: {
      fields?: FieldError[];
      retryAfterSeconds?: number;
      inFull?: { scope: string; message: string };
      cause?: unknown;
    } = {},
  ) {
    super(message, { cause });
    this.name = new.target.name;
    this.code = code;
    this.httpStatus = httpStatus;
    this.fields = fields;
    this.retryAfterSeconds = retryAfterSeconds;
    this.inFull = inFull;
    this.constraint = constraintOf(cause);
  }
}

const constraintOf = (cause: unknown): string | undefined =>
  cause instanceof Error && 'constraint' in cause && typeof cause.constraint === 'string'
    ? cause.constraint
    : undefined;

/** For the caller's user: correct the named fields. */
export class InvalidField extends PlatformError {
  constructor(fields: FieldError[], cause?: unknown) {
    super('invalid-field', 422, fields.map((each) => `${each.field}: ${each.message}`).join(' '), { fields, cause });
  }
}

/** Change the named value: it must be unique, and another record has it. */
export class AlreadyExists extends PlatformError {
  constructor(field: string, cause?: unknown, message?: string) {
    super('already-exists', 409, message ? `${field}: ${message}` : `Another record already has this ${field}.`, {
      fields: [{ field, message: message ?? 'is taken' }],
      cause,
    });
  }
}

/** Leave the field to the app that owns it. */
export class FieldNotOwned extends PlatformError {
  constructor(fields: FieldError[], cause?: unknown) {
    const names = fields.map((each) => each.field).join(', ');
    super(
      'field-not-owned',
      403,
      names ? `This app may not write ${names}: another app owns it.` : 'This app may not do that to this record.',
      { fields, cause },
    );
  }
}

/** Name a record that exists: the referenced one does not. */
export class ReferenceNotFound extends PlatformError {
  constructor(field: string, cause?: unknown, message?: string) {
    super(
      'reference-not-found',
      422,
      message ? `${field}: ${message}` : `${field} names a record that does not exist.`,
      {
        fields: [{ field, message: message ?? 'names a record that does not exist' }],
        cause,
      },
    );
  }
}

/** Run the whole transaction again: nothing of it was kept. */
export class TransactionConflict extends PlatformError {
  constructor(cause?: unknown) {
    super('transaction-conflict', 409, 'Two transactions conflicted. Nothing was kept: repeat the whole step.', {
      retryAfterSeconds: 1,
      cause,
    });
  }
}

/** For the developer: let the error of a failed statement through, or run it in `tx.savepoint`. */
export class TransactionAborted extends PlatformError {
  constructor() {
    super(
      'transaction-aborted',
      500,
      'A statement of this transaction failed and its error was caught, so PostgreSQL undid all of it. Let the error through, or use tx.savepoint.',
    );
  }
}

/** Try again shortly: another transaction holds the record, or the query took too long. */
export class DatabaseBusy extends PlatformError {
  constructor(cause?: unknown) {
    super('database-busy', 503, 'The database is busy. Nothing was changed; try again shortly.', {
      retryAfterSeconds: 2,
      cause,
    });
  }
}

const unreachable = { code: 'database-unavailable', message: 'The database cannot be reached. Try again in a moment.' };

/**
 * Try again later; the operator must check the database. A write may have been committed before the connection broke: repeat it with its
 * key.
 */
export class DatabaseUnavailable extends PlatformError {
  constructor(cause?: unknown, { code, message } = unreachable) {
    super(code, 503, message, { retryAfterSeconds: 5, cause });
  }
}

/** Reading goes on; the operator must make room on the disk of the database. Nothing was changed. */
export class DatabaseFull extends DatabaseUnavailable {
  constructor(cause?: unknown) {
    super(cause, {
      code: 'database-full',
      message: 'The disk of the database is full, so that nothing was changed. Its operator has to make room.',
    });
  }
}

/** Reading goes on. The server is a standby, because another one has taken over, or somebody has set it so. Nothing was changed. */
export class DatabaseReadOnly extends DatabaseUnavailable {
  constructor(cause?: unknown) {
    super(cause, {
      code: 'database-read-only',
      message:
        'The database takes no changes at the moment, so that nothing was changed. Reading goes on; try again later.',
    });
  }
}

/** For the operator, at start or when something was changed since: the settings or the database do not fit this app. */
export class ConfigurationError extends PlatformError {
  constructor(message: string, cause?: unknown) {
    super('configuration', 503, message, { cause });
  }
}
