import rhea from 'rhea';
import { type Condition, encodeMessage, readLong, refuse, swapGuid } from './amqp.ts';
import { messageLockLost, type Queue, sessionLockLost } from './queue.ts';

const { types } = rhea;

export type Answer = { code?: number; error?: Condition; body?: unknown };
type Body = Record<string, unknown>;

/** What a client asks of a subscription beside sending and receiving: renewing locks, and looking at messages. */
export function manage(queue: Queue, operation: unknown, body: Body, linkName: unknown): Answer {
  switch (operation) {
    case 'com.microsoft:renew-lock': {
      const ends: number[] = [];
      for (const token of body['lock-tokens'] as Buffer[]) {
        const until = queue.renewLock(swapGuid(token).toString('hex'));
        if (until === undefined) return { code: 410, error: messageLockLost() };
        ends.push(until);
      }
      return { body: { expirations: types.wrap_array(ends, 0x83, undefined) } };
    }
    case 'com.microsoft:renew-session-lock': {
      const id = String(body['session-id']);
      const session = queue.sessions.get(id);
      if (!session?.link || (linkName && session.link.name !== linkName))
        return { code: 410, error: sessionLockLost(id) };
      queue.extend(session);
      return { body: { expiration: types.wrap_timestamp(session.until) } };
    }
    case 'com.microsoft:peek-message': {
      const from = readLong(body['from-sequence-number']);
      const found = [...queue.all.values()]
        .filter(({ sequence, sent }) => sequence >= from && (body['session-id'] ?? sent.sessionId) === sent.sessionId)
        .sort((one, other) => one.sequence - other.sequence)
        .slice(0, Number(body['message-count']));
      return found.length === 0
        ? { code: 204 }
        : { body: { messages: found.map((stored) => ({ message: encodeMessage(stored.sent, stored) })) } };
    }
    default:
      return { code: 501, error: refuse('amqp:not-implemented', `The stand-in has no operation ${operation}.`) };
  }
}
