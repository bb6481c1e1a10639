import { countSeats, type LongAnswer, Problem } from '@aether/http';
import { NotFound, type PlatformDb } from '@aether/platform';
import type { Heard, Live } from '../conversations/live.ts';
import { listMessages, type Message } from '../conversations/messages.ts';
import { fewAtOnce } from './fewatonce.ts';
import { requireVisitorSession } from './visitors.ts';

export type VisitorStreams = ReturnType<typeof openVisitorStreams>;

/** How often a stream looks by itself when other servers cannot notify it of a change. */
const lookEveryMs = 15_000;
const typingEveryMs = 2_000;
const streamsPerAddressMax = 30;
const pageMax = 200;
/**
 * All streams look at once after the log was cut, and after a restart: they leave most of the connections to messages, which people wait for.
 * A stream whose turn does not come while a call would wait for a connection ends. The widget comes back, and is refused with a 503 as long as
 * the database is silent.
 */
const partOfPool = 1 / 3;

/**
 * Writes the streams of this process's visitors.
 *
 * @param streamsMax the limit over all of them.
 */
export function openVisitorStreams(
  db: PlatformDb,
  live: Live,
  { closing, streamsMax }: { closing: AbortSignal; streamsMax: number },
) {
  const takeSeat = countSeats({ max: streamsMax, maxEach: streamsPerAddressMax });
  const { max, waitMsMax } = db.poolState();
  const inTurn = fewAtOnce(Math.max(1, Math.floor(max * partOfPool)), waitMsMax);
  const lookers = new Set<() => void>();
  const looking = setInterval(() => {
    if (db.events.isLive()) return;
    for (const look of lookers) look(); // other servers cannot notify this one
  }, lookEveryMs).unref();
  closing.addEventListener('abort', () => clearInterval(looking));

  return {
    /** Ends every stream. */
    closing,

    /** Counts a stream. @returns removes it from the count. @throws Problem 429 when there are too many */
    enter(address: string): () => void {
      const leave = takeSeat(address);
      if (typeof leave === 'string')
        throw new Problem({
          status: 429,
          code: 'too-many-streams',
          detail: 'There are too many open streams. Close one, or try again later.',
          headers: { 'Retry-After': '10' },
        });
      return leave;
    },

    /**
     * Writes a conversation to its visitor: the messages after `after`, then each new one, each once and in order. Ends
     * when the answer is over, or when the token is no longer valid.
     */
    async write(
      answer: LongAnswer,
      { sessionId, token, after }: { sessionId: string; token: string; after: number },
    ): Promise<void> {
      let heard: Heard[] = [];
      let wake = () => {};
      const hear = (each: Heard) => {
        heard.push(each);
        wake();
      };
      const look = () => hear({ kind: 'look' });
      lookers.add(look);
      answer.onOver = () => wake();
      let last = after;
      const leave = live.join(sessionId, { hear, has: (number) => number <= last });
      let told = '';

      const writeMessage = async (message: Message) => {
        await answer.writeEvent({ id: String(message.number), event: 'message', data: JSON.stringify(message) });
        last = message.number;
      };
      const isOpen = () => !answer.isOver;
      const readOn = async () => {
        for (;;) {
          const page = await inTurn(isOpen, () => listMessages(db, sessionId, { after: last, limit: pageMax }));
          if (!page) return;
          for (const message of page) await writeMessage(message);
          if (page.length < pageMax) return;
        }
      };
      const read = async () => {
        const session = await inTurn(isOpen, () => requireVisitorSession(db, sessionId, token));
        if (!session) return;
        const words = JSON.stringify(session.state);
        if (words !== told) await answer.writeEvent({ event: 'state', data: words });
        told = words;
        await readOn();
      };

      try {
        await read();
        while (!answer.isOver) {
          const batch = heard;
          heard = [];
          // However many notifications arrived, one look answers them.
          if (batch.some(({ kind }) => kind === 'look')) await read();
          for (const each of batch) {
            if (each.kind === 'typing')
              await answer.writeEvent({
                event: 'typing',
                data: JSON.stringify({ author: 'agent', name: each.name, is_typing: each.is_typing }),
              });
            if (each.kind !== 'message' || each.message.number <= last) continue;
            if (each.message.number === last + 1) await writeMessage(each.message);
            else await readOn();
          }
          if (heard.length > 0 || answer.isOver) continue;
          answer.sendNow();
          await new Promise<void>((resolve) => {
            wake = resolve;
          });
        }
      } catch (error) {
        if (!(error instanceof NotFound)) throw error; // a newer token has replaced this one
      } finally {
        lookers.delete(look);
        leave();
      }
    },

    /** A person who types repeats it again and again: most of it is not passed on. @returns whether this one is. */
    mayTell: oncePer(typingEveryMs),
  };
}

/** Allows one per key and interval; a changed value always passes. */
function oncePer(ms: number) {
  const said = new Map<string, { what: boolean; at: number }>();
  return (key: string, what: boolean): boolean => {
    const now = Date.now();
    const before = said.get(key);
    if (before && before.what === what && now - before.at < ms) return false;
    if (said.size > 10_000) said.clear();
    said.set(key, { what, at: now });
    return true;
  };
}
