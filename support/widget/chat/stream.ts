import { backoffMs } from './outbox.ts';
import type { SessionState } from './server.ts';
import { createSseReader } from './sse.ts';
import type { Message } from './thread.ts';

/** A line without a sign of life for this long is replaced by a new one. */
const silenceMsMax = 25_000;

/**
 * Follows a conversation until it is stopped: by fetch, because the token must not be part of an address and an EventSource sends no
 * headers. A cut line is opened again, after the last message.
 *
 * @returns stops it.
 */
export function followStream({
  open,
  onMessage,
  onState,
  onTyping,
  onLine,
  onStranger,
}: {
  open: (signal: AbortSignal) => Promise<Response>;
  onMessage: (message: Message) => void;
  onState: (state: SessionState) => void;
  onTyping: (name: string | null) => void;
  onLine: (isOpen: boolean) => void;
  /** The token is dead; no more messages come. */
  onStranger: () => void;
}): () => void {
  const stopping = new AbortController();
  let failures = 0;
  let wake = () => {};

  async function run(): Promise<void> {
    while (!stopping.signal.aborted) {
      const line = new AbortController();
      const stop = () => line.abort();
      stopping.signal.addEventListener('abort', stop);
      try {
        if (!(await readLine(line))) return onStranger();
      } catch {}
      stopping.signal.removeEventListener('abort', stop);
      line.abort();
      if (stopping.signal.aborted) return;
      onLine(false);
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, backoffMs(failures++));
        wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
  }

  /** @returns false when the token is dead. */
  async function readLine(line: AbortController): Promise<boolean> {
    let watch = setTimeout(() => line.abort(), silenceMsMax);
    try {
      const answer = await open(line.signal);
      if (answer.status === 404) return false;
      if (!answer.ok || !answer.body) throw new Error(`${answer.status}`);
      const read = createSseReader();
      const pieces = answer.body.pipeThrough(new TextDecoderStream()).getReader();
      for (;;) {
        const { value, done } = await pieces.read();
        if (done) return true;
        clearTimeout(watch);
        watch = setTimeout(() => line.abort(), silenceMsMax);
        failures = 0;
        onLine(true);
        for (const { event, data } of read(value)) hear(event, data);
      }
    } finally {
      clearTimeout(watch);
    }
  }

  function hear(event: string, data: string): void {
    if (event === 'message') onMessage(JSON.parse(data));
    else if (event === 'state') onState(JSON.parse(data));
    else if (event === 'typing') {
      const { name, is_typing } = JSON.parse(data);
      onTyping(is_typing ? (name ?? '') : null);
    }
  }

  const hurry = () => wake();
  addEventListener('online', hurry);
  void run();
  return () => {
    removeEventListener('online', hurry);
    stopping.abort();
    wake();
  };
}
