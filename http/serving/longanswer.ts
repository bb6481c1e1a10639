import type { ServerResponse } from 'node:http';
import { RESPONSE_ALREADY_SENT } from '@hono/node-server/utils/response';
import type { Context } from 'hono';
import type { AppEnv } from './app.ts';

/*
 * Answers that go on until the reader is gone: server-sent events. Thousands are open at once, most of them silent, so each holds little:
 * the events are written to Node's own response, without the streams and the request of the web's interface, and one timer serves them
 * all. The route answers with a head alone; everything that runs around a route completes that head, and `serve` then begins the rest.
 */

export type LongAnswerOptions = {
  /** Ends the answer, so that the server can close. */
  closing: AbortSignal;
  heartbeatMs?: number;
  /** What a sign of life says; by default only that the line is open. */
  heartbeat?: () => string;
  /** Runs once, for any end of the answer. */
  onEnd: () => void;
};

export type EventMessage = { data: string; event?: string; id?: string };

/** One open answer. */
export class LongAnswer {
  readonly #outgoing: ServerResponse;
  readonly #heartbeat: () => string;
  #isOver = false;
  #onOver: (() => void) | undefined;
  #signal: AbortController | undefined;
  #drained: PromiseWithResolvers<void> | undefined;
  #isTaken = true;

  constructor(outgoing: ServerResponse, heartbeat: () => string) {
    this.#outgoing = outgoing;
    this.#heartbeat = heartbeat;
    outgoing.on('drain', () => this.#release());
    outgoing.on('close', () => this.leave());
  }

  get isOver(): boolean {
    return this.#isOver;
  }

  /** Aborted when the answer ends. It is made when somebody asks for it. */
  get over(): AbortSignal {
    this.#signal ??= new AbortController();
    if (this.#isOver) this.#signal.abort();
    return this.#signal.signal;
  }

  /** Calls back when the answer ends. There is one callback. */
  set onOver(call: () => void) {
    this.#onOver = call;
  }

  /** Settles when the reader can take more, or when the answer is over. */
  write(text: string): Promise<void> | void {
    if (this.#isOver || this.#outgoing.write(text)) return;
    this.#drained ??= Promise.withResolvers();
    return this.#drained.promise;
  }

  writeEvent({ event, data, id }: EventMessage): Promise<void> | void {
    const lines = `data: ${data.replace(/\r\n|\r|\n/g, '\ndata: ')}\n`;
    return this.write(
      `${event === undefined ? '' : `event: ${event}\n`}${lines}${id === undefined ? '' : `id: ${id}\n`}\n`,
    );
  }

  /**
   * Sends what was written at once. Otherwise Node sends it when the program next waits, so that many writes are one: what is written within
   * a request would wait for the rest of that request, its log entry and its own answer.
   */
  sendNow(): void {
    if (this.#outgoing.writableCorked > 0) this.#outgoing.uncork(); // else a later write would never be sent
  }

  /** Ends the answer because the server closes: the reader comes back when it is told, not together with all others. */
  goodbye(): void {
    if (!this.#isOver && !this.#outgoing.writableNeedDrain)
      this.#outgoing.write(`retry: ${Math.round(returnFirstMs + Math.random() * returnWithinMs)}\n\n`);
    this.leave();
  }

  /** Ends the answer. What its reader has not taken is lost: the reader comes back to its place. */
  leave(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#isTaken = true;
    if (this.#outgoing.writableNeedDrain) this.#outgoing.destroy();
    else this.#outgoing.end();
    this.#release();
    this.#signal?.abort();
    this.#onOver?.();
  }

  /**
   * A reader that has not taken a sign of life when the next one is due counts as gone, and so does one that has not taken the end: its
   * connection is cut. It must not fill our memory.
   */
  beat(): void {
    if (!this.#isTaken) {
      this.leave();
      this.#outgoing.destroy();
      return;
    }
    this.#isTaken = false;
    if (this.#isOver) return;
    this.#outgoing.write(this.#heartbeat(), () => {
      this.#isTaken = true;
    });
  }

  #release(): void {
    this.#drained?.resolve();
    this.#drained = undefined;
  }
}

/** When readers come back to a server that closes: spread, because another one has to take them all. */
const returnFirstMs = 500;
const returnWithinMs = 2_500;
const open = ': open\n\n';
const begins = new WeakMap<ServerResponse, { begin: () => void; onEnd: () => void }>();

/**
 * Answers with server-sent events until the reader is gone, the server closes, or `write` is done.
 *
 * @param write sends the events.
 */
export function answerEvents(
  c: Context<AppEnv>,
  { closing, heartbeatMs = 15_000, heartbeat = () => open, onEnd }: LongAnswerOptions,
  write: (answer: LongAnswer) => Promise<void>,
): Response {
  c.header('X-Accel-Buffering', 'no'); // a proxy that buffers delays live events
  c.header('Content-Type', 'text/event-stream');
  c.header('Cache-Control', 'no-cache');
  if (c.req.method === 'HEAD') {
    // The answer to a HEAD has no body, so no reader would ever end the stream.
    onEnd();
    return c.body(null, 200);
  }
  const { outgoing } = c.env;
  if (!('req' in outgoing)) throw new TypeError('a long answer needs HTTP/1.1');
  // Nothing here holds the context, which would keep the whole request in memory.
  begins.set(outgoing, {
    onEnd,
    begin() {
      // The reader may be gone already.
      if (outgoing.destroyed) return onEnd();
      const answer = new LongAnswer(outgoing, heartbeat);
      outgoing.on('close', beatsOf(closing, heartbeatMs).join(answer));
      void run(answer, { onEnd, write });
    },
  });
  return c.body(null, 200);
}

/**
 * Begins the long answer that a route has asked for, now that its head is complete.
 *
 * @returns what is left to answer.
 */
export function beginLongAnswer(response: Response, outgoing: ServerResponse): Response {
  const asked = begins.get(outgoing);
  if (!asked) return response;
  begins.delete(outgoing);
  if (response.status !== 200) {
    asked.onEnd();
    return response;
  }
  outgoing.writeHead(200, [...response.headers].flat()).flushHeaders();
  asked.begin();
  return RESPONSE_ALREADY_SENT;
}

/** A request that failed after its route had asked for a long answer. */
export function forgetLongAnswer(outgoing: ServerResponse): void {
  begins.get(outgoing)?.onEnd();
  begins.delete(outgoing);
}

type Run = { onEnd: () => void; write: (answer: LongAnswer) => Promise<void> };

async function run(answer: LongAnswer, { onEnd, write }: Run): Promise<void> {
  try {
    if (!answer.isOver) await write(answer);
  } catch (error) {
    if (!answer.isOver) console.error(error);
  } finally {
    onEnd();
    answer.leave();
  }
}

type Beats = { join(answer: LongAnswer): () => void; count(): number };

/** How many long answers of a server are open. @param closing the signal that ends them */
export function countLongAnswers(closing: AbortSignal): number {
  return [...(beatsOfServers.get(closing)?.values() ?? [])].reduce((sum, beats) => sum + beats.count(), 0);
}

/**
 * The signs of life of all answers of a server come in turns, a tenth of a second apart, so that they do not fall together. Readers that all come
 * at once, as after a restart, are spread over them: 500 in one turn take 12 ms of a core.
 */
const turnMs = 100;
const turnsMin = 10;
const beatsOfServers = new WeakMap<AbortSignal, Map<number, Beats>>();

function beatsOf(closing: AbortSignal, everyMs: number): Beats {
  const ofServer = beatsOfServers.get(closing) ?? new Map<number, Beats>();
  beatsOfServers.set(closing, ofServer);
  const known = ofServer.get(everyMs) ?? createBeats(closing, everyMs);
  ofServer.set(everyMs, known);
  return known;
}

function createBeats(closing: AbortSignal, everyMs: number): Beats {
  const turns = Math.max(turnsMin, Math.round(everyMs / turnMs));
  const waiting = Array.from({ length: turns }, () => new Set<LongAnswer>());
  let at = 0;
  let count = 0;
  let timer: NodeJS.Timeout | undefined;
  closing.addEventListener('abort', () => {
    for (const answer of waiting.flatMap((turn) => [...turn])) answer.goodbye();
  });
  /** The one with the fewest answers; of several, the last one to come. */
  const findTurn = (): Set<LongAnswer> => {
    let found = waiting[at] as Set<LongAnswer>; // has just been
    for (let before = 1; before < turns && found.size > 0; before++) {
      const turn = waiting[(at - before + turns) % turns] as Set<LongAnswer>;
      if (turn.size < found.size) found = turn;
    }
    return found;
  };
  return {
    count: () => count,
    join(answer) {
      if (closing.aborted) answer.leave();
      const turn = findTurn();
      turn.add(answer);
      count += 1;
      timer ??= setInterval(() => {
        at = (at + 1) % turns;
        for (const each of waiting[at] as Set<LongAnswer>) each.beat();
      }, everyMs / turns);
      return () => {
        if (!turn.delete(answer)) return;
        count -= 1;
        if (count > 0) return;
        clearInterval(timer);
        timer = undefined;
      };
    },
  };
}
