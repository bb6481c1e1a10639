import type { Tone } from '@aether/ui/Tag.tsx';
import type { Subscription } from '../api/operations.ts';
import type { Attempt, Webhook } from '../api/webhooks.ts';

type State = { tone: Tone; word: string };

/** How a webhook is, in a word: what a person has done comes before what came about. Pure. */
export function sayState(
  {
    disabled_at: disabledAt,
    is_given_up: isGivenUp,
    failing_since: failingSince,
    delivered_at: deliveredAt,
  }: Pick<Webhook, 'disabled_at' | 'is_given_up' | 'failing_since' | 'delivered_at'>,
  subscription: Pick<Subscription, 'is_paused'> | undefined,
): State {
  if (isGivenUp) return { tone: 'bad', word: 'given up' };
  if (disabledAt !== null) return { tone: 'warn', word: 'disabled' };
  if (subscription?.is_paused) return { tone: 'warn', word: 'paused' };
  if (failingSince !== null) return { tone: 'bad', word: 'failing' };
  return deliveredAt === null ? { tone: 'plain', word: 'nothing delivered yet' } : { tone: 'good', word: 'working' };
}

export const outcomes: Record<Attempt['outcome'], State> = {
  taken: { tone: 'good', word: 'taken' },
  gone: { tone: 'bad', word: 'gone' },
  refused: { tone: 'bad', word: 'refused' },
  unreachable: { tone: 'warn', word: 'not reached' },
};

const ofStatus: Record<string, string> = {
  400: 'The receiver refuses this message itself.',
  401: 'The receiver does not accept the signature. After a rotation its owner may have missed the new secret.',
  403: 'The receiver lets this sender in no more, or does not accept the signature.',
  404: 'Nothing is at this address: correct it.',
  405: 'The address takes no POST: correct it.',
  408: 'The receiver was too slow.',
  409: 'The receiver refuses this message itself.',
  410: 'The receiver wants no more.',
  413: 'The receiver refuses this message itself.',
  415: 'The receiver refuses this message itself.',
  422: 'The receiver refuses this message itself.',
  425: 'The receiver asks to wait.',
  429: 'The receiver asks to wait.',
  502: 'What is before the receiver does not reach it.',
  503: 'The receiver is not ready.',
  504: 'What is before the receiver does not reach it in time.',
};

const ofCode: Record<string, string> = {
  ADDRESS_REFUSED: 'The name leads to a network that is not open: SYNC_WEBHOOK_NETWORKS of the worker opens one.',
  ECONNREFUSED: 'Nobody listens at this address.',
  ECONNRESET: 'The receiver has cut the connection.',
  EPIPE: 'The receiver has cut the connection.',
  EHOSTUNREACH: 'No way leads to the receiver.',
  ENETUNREACH: 'No way leads to the receiver.',
  ENOTFOUND: 'Nobody knows this name.',
  EAI_AGAIN: 'The name could not be looked up.',
  ETIMEDOUT: 'The receiver did not answer.',
  EPROTO: 'The receiver does not speak TLS at this address.',
  'no answer in time': 'The receiver did not answer within ten seconds.',
};

/** What the code of a failed delivery means; undefined if it is not known. Pure. */
export function explainCode(code: string): string | undefined {
  const [, status] = /^HTTP (\d{3})$/.exec(code) ?? [];
  if (status) {
    if (status.startsWith('2')) return undefined;
    if (status.startsWith('3')) return 'The receiver has moved: redirects are not followed, so correct the address.';
    return ofStatus[status] ?? (status.startsWith('5') ? 'The receiver fails itself.' : 'The receiver refuses it.');
  }
  if (/CERT|SELF_SIGNED|UNABLE_TO_VERIFY/.test(code)) return 'The receiver’s certificate is not accepted.';
  return ofCode[code];
}

/** So much of an address tells it from others in a list. */
const shownMax = 80;

/** An address in a list: without its query, which may be long and a secret, and not the whole of a long path. Pure. */
export function shortenAddress(url: string): string {
  const [place = ''] = url.split('?');
  return place.length <= shownMax && place.length === url.length ? url : `${place.slice(0, shownMax)}…`;
}
