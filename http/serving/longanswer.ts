import type { Context } from 'hono';
import { type SSEStreamingApi, streamSSE } from 'hono/streaming';

export type LongAnswerOptions = {
  /** Ends the answer, so that the server can close. */
  closing: AbortSignal;
  heartbeatMs?: number;
  /** What a sign of life says; by default only that the line is open. */
  heartbeat?: () => string;
  /** Runs once, for any end of the answer. */
  onEnd: () => void;
};

/**
 * Answers with server-sent events until the reader is gone, the server closes, or `write` is done. A reader that has
 * not taken a sign of life when the next one is due counts as gone: it may keep the connection open, but must not fill
 * our memory.
 *
 * @param write sends the events. `over` is aborted when the answer ends; `leave` ends it.
 */
export function answerEvents(
  c: Context,
  { closing, heartbeatMs = 15_000, heartbeat = () => ': open\n\n', onEnd }: LongAnswerOptions,
  write: (sse: SSEStreamingApi, over: AbortSignal, leave: () => void) => Promise<void>,
): Response {
  c.header('X-Accel-Buffering', 'no'); // a proxy that buffers delays live events
  if (c.req.method === 'HEAD') {
    // The answer to a HEAD has no body, so no reader would ever end the stream.
    onEnd();
    return c.body(null, 200, { 'Content-Type': 'text/event-stream' });
  }
  const gone = new AbortController();
  const leave = () => gone.abort();
  const over = AbortSignal.any([closing, gone.signal]);
  return streamSSE(c, async (sse) => {
    sse.onAbort(leave);
    over.addEventListener('abort', () => sse.abort(), { once: true }); // it also ends a write that waits for its reader
    let isTaken = true;
    const timer = setInterval(async () => {
      if (!isTaken) return leave();
      isTaken = false;
      await sse.write(heartbeat());
      isTaken = true;
    }, heartbeatMs);
    try {
      await write(sse, over, leave);
    } finally {
      clearInterval(timer);
      onEnd();
    }
  });
}
