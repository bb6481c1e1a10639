import type { User } from '@aether/platform';
import type { Context } from 'hono';

/** The sender of a request, once sign-in has found out who it is. */
export type Caller = {
  /** The person who acts; undefined for a machine. */
  actor: User | undefined;
  /**
   * What the token allows, by name. Undefined: whatever the person may do. A machine always has a set, and so has a person's token
   * that was made for some scopes only.
   */
  scopes?: ReadonlySet<string>;
  /** `Set-Cookie` values that the answer must carry. */
  cookies?: string[];
  /** Whether the caller is still authorised; streaming responses poll this. */
  isStillWelcome(): Promise<boolean>;
};

/** Finds out who sends a request; undefined when nobody has signed in. @throws Problem when it must not be answered. */
export type Authenticate = (c: Context) => Promise<Caller | undefined>;
