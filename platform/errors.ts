import { PlatformError } from './log/errors.ts';

/** The caller's user has to correct the address. */
export class InvalidEmail extends PlatformError {
  readonly reason: string;
  constructor(reason: string, message: string) {
    super('invalid-email', 422, `The e-mail address ${message}.`, { fields: [{ field: 'email', message }] });
    this.reason = reason;
  }
}

/** Nothing has this id, or the caller may not see it. */
export class NotFound extends PlatformError {
  constructor(what: string) {
    super('not-found', 404, `There is no such ${what}.`);
  }
}

/**
 * The caller reads the record again, shows the difference, and writes with the new version.
 *
 * @param record the kind of record in one word; the error code is `customer-version-conflict` for a customer.
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

/** The person asked to be forgotten: the caller stops. */
export class CustomerErased extends PlatformError {
  constructor(cause?: unknown) {
    super('customer-erased', 410, 'This customer was erased and can no longer be changed.', { cause });
  }
}

/**
 * The address or the number is of a person who was erased and is kept away. Nobody brings them back by accident: if they come back of their
 * own will, somebody who may erase lifts the suppression. A chat goes on without a customer.
 */
export class PersonErased extends PlatformError {
  constructor(cause?: unknown) {
    super(
      'person-erased',
      409,
      'This person was erased and is kept away. If they come back of their own will, an administrator lifts the suppression with a reason.',
      { cause },
    );
  }
}

/** This customer was merged and accepts nothing new: the caller repeats the step with the survivor. See repeatIfGone. */
export class CustomerMerged extends PlatformError {
  /** The id of the customer into whom this one was merged. */
  readonly survivor: string;
  constructor(survivor: string, cause?: unknown) {
    super('customer-merged', 409, `This customer was merged into another one. Repeat this with customer ${survivor}.`, {
      cause,
    });
    this.survivor = survivor;
  }
}

/** Only administrators and stewards, at the console, and the command merge customers: an app asks one of them. */
export class StewardOnly extends PlatformError {
  constructor(cause?: unknown) {
    super(
      'steward-only',
      403,
      'Only administrators and data stewards merge customers, in the console or by the command.',
      {
        cause,
      },
    );
  }
}

/** A customer is merged with another one: the caller names two. */
export class SameCustomer extends PlatformError {
  constructor(cause?: unknown) {
    super('same-customer', 422, 'A customer is merged with another one, and each is named once.', {
      fields: [{ field: 'losers', message: 'must be other customers, each named once' }],
      cause,
    });
  }
}

/** Somebody took this merge back before: the caller looks at the merge again. */
export class MergeUndone extends PlatformError {
  constructor(cause?: unknown) {
    super('merge-undone', 409, 'This merge was taken back already.', { cause });
  }
}

/** Another customer has this address: use that customer, or take the address away from them. */
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

/** An administrator of Foundation has entered that the person left: nobody signs in as them until somebody takes that back. */
export class UserLeft extends PlatformError {
  constructor(cause?: unknown) {
    super(
      'user-left',
      403,
      'An administrator has entered that you left. If that is a mistake, or you are back, ask an administrator.',
      { cause },
    );
  }
}

/** A customer always has a primary address: make another address the primary one first. */
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

/** A customer with several numbers has a primary one: make another number the primary one first. */
export class PrimaryPhoneStays extends PlatformError {
  constructor(cause?: unknown) {
    super(
      'primary-phone',
      409,
      'The primary number cannot be removed while the customer has others. Make another number the primary one first, or correct this one.',
      {
        fields: [{ field: 'phone', message: 'stays while there are other numbers: make another one primary first' }],
        cause,
      },
    );
  }
}

/** The record stays with its customer, for the reason in the message: the caller looks at it again. */
export class MoveRefused extends PlatformError {
  constructor(reason: string, cause?: unknown) {
    super('move-refused', 409, reason, { cause });
  }
}

/** This client_id named another request: the caller makes up a new one. */
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
