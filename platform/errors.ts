import { PlatformError } from './log/errors.ts';

/** For the caller's user: correct the address. */
export class InvalidEmail extends PlatformError {
  readonly reason: string;
  constructor(reason: string, message: string) {
    super('invalid-email', 422, `The e-mail address ${message}.`, { fields: [{ field: 'email', message }] });
    this.reason = reason;
  }
}

/** Look again: nothing has this id, or it is out of the caller's sight. */
export class NotFound extends PlatformError {
  constructor(what: string) {
    super('not-found', 404, `There is no such ${what}.`);
  }
}

/**
 * Read the record again, show the difference, and write with the version you then have.
 *
 * @param record what it is, in one word: its code is `customer-version-conflict` for a customer.
 */
export class VersionConflict extends PlatformError {
  readonly expected: number;
  readonly actual: number;
  constructor(record: string, expected: number, actual: number) {
    super(
      `${record}-version-conflict`,
      409,
      `Someone else changed this ${record}: it is at version ${actual}, not ${expected}. Load it again and repeat the change.`,
    );
    this.expected = expected;
    this.actual = actual;
  }
}

/** Stop: the person asked to be forgotten. */
export class CustomerErased extends PlatformError {
  constructor(cause?: unknown) {
    super('customer-erased', 410, 'This customer was erased and can no longer be changed.', { cause });
  }
}

/** Repeat the step with the survivor: this customer was merged into it and accepts nothing new. See repeatIfGone. */
export class CustomerMerged extends PlatformError {
  /** The id of the customer that goes on. */
  readonly survivor: string;
  constructor(survivor: string, cause?: unknown) {
    super('customer-merged', 409, `This customer was merged into another one. Repeat this with customer ${survivor}.`, {
      cause,
    });
    this.survivor = survivor;
  }
}

/** Use the customer who has this address, take the address away from that customer, or merge the two. */
export class EmailTaken extends PlatformError {
  constructor(cause?: unknown) {
    super(
      'email-taken',
      409,
      'Another customer has this address. Open that customer, or take the address away there if it is a mistake.',
      {
        fields: [{ field: 'email', message: 'belongs to another customer' }],
        cause,
      },
    );
  }
}

/** Make another address the primary one first: a customer is never without one. */
export class PrimaryAddressStays extends PlatformError {
  constructor(cause?: unknown) {
    super(
      'primary-address',
      409,
      'The primary address cannot be removed. Make another address the primary one first, or correct this one.',
      { cause },
    );
  }
}

/** Make up a new client_id: this one named another request. */
export class ClientIdReused extends PlatformError {
  constructor() {
    super(
      'client-id-reused',
      409,
      'Something else was sent with this client_id before. Send this with a new client_id; repeat a request only as it was.',
      { fields: [{ field: 'client_id', message: 'was used for something else' }] },
    );
  }
}
