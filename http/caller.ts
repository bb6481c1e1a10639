import type { User } from '@aether/platform';
import type { Context } from 'hono';

/** Whoever sends a request, once sign-in has found out. */
export type Caller = {
  /** The person who acts; undefined for a machine. */
  actor: User | undefined;
  /** `Set-Cookie` values that the answer must carry. */
  cookies?: string[];
  /** Whether it would still be let in: for answers that have no end. */
  isStillWelcome(): Promise<boolean>;
};

/** Finds out who sends a request; undefined when nobody has signed in. @throws Problem when it must not be answered. */
export type Authenticate = (c: Context) => Promise<Caller | undefined>;
