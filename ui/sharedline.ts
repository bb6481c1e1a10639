/*
 * One line to the server for all tabs of an app. A stream takes a connection for as long as its page is open, and over HTTP/1.1 a browser has six of them
 * to a host, whatever the number of its tabs: with a stream in each tab, no tab would get an answer to anything once the sixth is open. So one tab leads:
 * it holds a lock, has the line, and passes on what comes. The browser gives the lock to another tab when that one is closed.
 */

export type Line = {
  /** The network is back: the line is opened anew. */
  again(): void;
  close(): void;
};

type Parts<Message> = {
  /** Tabs that give the same name share. */
  name: string;
  /** Opens the line in this tab. @param isAfter another tab had it before, so that something may have been missed */
  open: (say: (message: Message) => void, isAfter: boolean) => Line;
  /** Called with what comes, by the own line or from the tab that leads. */
  hear: (message: Message) => void;
  /** What a tab that is opened later hears first. */
  latest: () => Message;
  /** So long the tab that leads may take to answer. A browser stops pages that are out of sight, also those that hold a lock. */
  answerMs?: number;
};

type Said<Message> = { ask: true } | { message: Message };

/** Joins the tabs that share a line. Without locks, as on a page without TLS, this tab has a line to itself. */
export function shareLine<Message>({ name, open, hear, latest, answerMs = 2_000 }: Parts<Message>): Line {
  const locks = globalThis.navigator?.locks;
  if (!locks || typeof BroadcastChannel === 'undefined') return open(hear, false);
  const channel = new BroadcastChannel(name);
  const ended = Promise.withResolvers<void>();
  const page: Document | undefined = globalThis.document;
  let line: Line | undefined;
  let wasLed = false;
  let queue: AbortController | undefined;
  let patience: ReturnType<typeof setTimeout> | undefined;
  let isClosed = false;

  const post = (said: Said<Message>) => channel.postMessage(said);
  const say = (message: Message) => {
    hear(message);
    post({ message });
  };
  channel.onmessage = ({ data }: MessageEvent<Said<Message>>) => {
    if ('ask' in data) {
      if (line) post({ message: latest() });
    } else if (!line) {
      clearTimeout(patience);
      wasLed = true;
      hear(data.message);
    }
  };

  function request(options: LockOptions): void {
    let isMine = false;
    locks
      .request(name, options, () => {
        if (isClosed) return;
        isMine = true;
        clearTimeout(patience);
        line = open(say, wasLed);
        return ended.promise;
      })
      .catch(() => {
        if (!isMine || isClosed) return;
        // Another tab has taken it, because this one gave no answer.
        line?.close();
        line = undefined;
        wasLed = true;
        queueUp();
      });
  }
  function queueUp(): void {
    queue = new AbortController();
    request({ signal: queue.signal });
  }
  function take(): void {
    queue?.abort();
    wasLed = true;
    request({ steal: true });
  }
  function ask(): void {
    if (line || isClosed) return;
    post({ ask: true });
    clearTimeout(patience);
    patience = setTimeout(take, answerMs);
  }
  const onSight = () => page?.visibilityState === 'visible' && ask();
  page?.addEventListener('visibilitychange', onSight);
  queueUp();
  ask();
  return {
    again: () => (line ? line.again() : ask()),
    close() {
      isClosed = true;
      clearTimeout(patience);
      page?.removeEventListener('visibilitychange', onSight);
      line?.close();
      line = undefined;
      queue?.abort();
      ended.resolve();
      channel.close();
    },
  };
}
