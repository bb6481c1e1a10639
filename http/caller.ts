import type { User } from '@aether/platform';
import type { Context } from 'hono';

/** The sender of a request, as sign-in identified it. */
export type Caller = {
  /** The person who acts; undefined for a machine. */
  actor: User | undefined;
  /** What the identity provider calls a machine; undefined for a person. */
  machine?: string | undefined;
  /**
   * The scopes of the token. Undefined: the caller may do everything that the person may do. A machine always has a set
   * of scopes, and so does a person's token that was made for some scopes only.
   */
  scopes?: ReadonlySet<string>;
  /** The app to which a machine belongs: a row of platform.app_clients says so. It sees the events that this app may see. */
  app?: string;
  /** `Set-Cookie` values that the answer must carry. */
  cookies?: string[];
  /** Whether the caller is still authorised; streaming responses poll this. */
  isStillWelcome(): Promise<boolean>;
};

/** Whether a caller with these scopes may do what the scope allows. */
export function allows({ scopes }: Pick<Caller, 'scopes'>, scope: string): boolean {
  return scopes === undefined || scopes.has(scope);
}

/**
 * Identifies the sender of a request; undefined if the sender has not signed in.
 *
 * @throws Problem when the request must not be answered.
 */
export type Authenticate = (c: Context) => Promise<Caller | undefined>;
