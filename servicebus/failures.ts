import { ConfigurationError } from '@aether/platform/log';
import type { ServiceBusSettings } from './settings.ts';

/** What a failed call of the service means for the caller. */
export type FailureKind =
  /** The namespace gives no more for the moment: wait, and try again. */
  | 'throttled'
  /** The topic is full: somebody has to make room, or consumers have to read. */
  | 'quota'
  /** This message cannot be sent as it is. */
  | 'too-large'
  /** The login may not do this. */
  | 'unauthorized'
  /** The topic or subscription does not exist, or is disabled. */
  | 'missing'
  /** A session is locked by another receiver, or there is none with a message: nothing to do. */
  | 'idle'
  /** The lock of a message or session has gone to another receiver. */
  | 'lock-lost'
  /** The entity is not as it must be: no sessions, for example. */
  | 'misconfigured'
  /** No line, or no answer: try again. */
  | 'unreachable';

const kinds: Record<string, FailureKind> = {
  ServiceBusy: 'throttled',
  QuotaExceeded: 'quota',
  MessageSizeExceeded: 'too-large',
  UnauthorizedAccess: 'unauthorized',
  UnauthorizedError: 'unauthorized',
  MessagingEntityNotFound: 'missing',
  MessagingEntityDisabled: 'missing',
  SessionCannotBeLocked: 'idle',
  ServiceTimeout: 'idle',
  SessionLockLost: 'lock-lost',
  MessageLockLost: 'lock-lost',
  // Of the management interface.
  MessageEntityNotFoundError: 'missing',
  UnauthorizedRequestError: 'unauthorized',
  QuotaExceededError: 'quota',
  ServerBusyError: 'throttled',
};

/**
 * A failed call of the service. Of the SDK's error it keeps the words and the code alone: that error carries the request with its token, and
 * what is thrown may be logged whole.
 */
export class BusFailure extends Error {
  readonly kind: FailureKind;
  readonly code: string | undefined;

  constructor(kind: FailureKind, message: string, code?: string) {
    super(message);
    this.name = 'BusFailure';
    this.kind = kind;
    this.code = code;
  }
}

export function toBusFailure(error: unknown): BusFailure {
  if (error instanceof BusFailure) return error;
  const { message, code } = reasonOf(error);
  return new BusFailure(kindOf(error), withoutSecrets(message), typeof code === 'string' ? code : undefined);
}

/** Keys and tokens as the SDK and the service may quote them. Pure. */
export const withoutSecrets = (text: string): string =>
  text
    .replaceAll(/\b(SharedAccessKey|SharedAccessSignature|sig)(=|%3d)[^;&\s"']+/gi, '$1=…')
    .replaceAll(/\b(SharedAccessSignature|Bearer)\s+[^\s"']+/gi, '$1 …');

/** The error that says why: the SDK wraps what it tried several times. */
export function reasonOf(error: unknown): Error & { code?: string; statusCode?: number } {
  if (error instanceof AggregateError && error.errors.length > 0) return reasonOf(error.errors.at(-1));
  return error instanceof Error ? error : new Error(String(error));
}

/** Pure. An error that nothing names counts as a line that is gone: trying again is safe, because ids make repetitions harmless. */
export function kindOf(error: unknown): FailureKind {
  if (error instanceof BusFailure) return error.kind;
  const { code, message, statusCode } = reasonOf(error);
  if (/requires? sessions|sessionful|session-?enabled/i.test(message)) return 'misconfigured';
  if (
    statusCode === 401 ||
    statusCode === 403 ||
    /InvalidSignature|Unauthorized access|CredentialUnavailable/i.test(message)
  )
    return 'unauthorized';
  if (statusCode === 404) return 'missing';
  if (statusCode === 429) return 'throttled';
  return kinds[code ?? ''] ?? 'unreachable';
}

/** One sentence for the operator: what is wrong, and what to do. */
export function describeBusFailure(error: unknown, settings: ServiceBusSettings, subscription?: string): string {
  const message = withoutSecrets(reasonOf(error).message);
  const entity = subscription ? `subscription ${subscription} of topic ${settings.topic}` : `topic ${settings.topic}`;
  const login = settings.connectionString ? 'the key of SERVICEBUS_CONNECTION_STRING' : 'the identity of this process';
  switch (kindOf(error)) {
    case 'unauthorized':
      return `Service Bus refuses ${login} at ${settings.namespace}: the relay needs the role Azure Service Bus Data Sender, a consumer Data Receiver, \`aether servicebus\` Data Owner. (${message})`;
    case 'missing':
      return `The ${entity} does not exist at ${settings.namespace}, or is disabled: run \`aether servicebus ensure\`.`;
    case 'misconfigured':
      return `The ${entity} was made without sessions, which keep the order of a customer: it has to be made anew. Remove it, and run \`aether servicebus ensure\`.`;
    case 'quota':
      return `The topic ${settings.topic} is full: a consumer does not read, or its dead letters have piled up. \`aether servicebus status\` says which.`;
    case 'throttled':
      return `Service Bus throttles ${settings.namespace}: it is over the limit of its tier.`;
    case 'too-large':
      return 'The message is larger than the tier of the namespace allows (Standard 256 KB, Premium 1 MB and more).';
    case 'lock-lost':
      return `The lock of a session has gone to another receiver of ${entity}; what was not completed comes again.`;
    case 'idle':
      return `There is no session with a message in ${entity}.`;
    case 'unreachable':
      return `Service Bus does not answer at ${settings.namespace}: ${message}`;
  }
}

/** As `describeBusFailure`, as an error for the operator at start. Without its cause, which may carry a token. */
export const toConfigurationError = (error: unknown, settings: ServiceBusSettings, subscription?: string) =>
  error instanceof ConfigurationError
    ? error
    : new ConfigurationError(describeBusFailure(error, settings, subscription));
