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
  /** This tab had the line and another one has taken it: what came since then is not known here. */
  onLost: () => void;
  /** So long the tab that leads may take to answer. A browser stops pages that are out of sight, also those that hold a lock. */
  answerMs?: number;
  /** How often a tab in sight asks whether the one that leads still answers: that one may be stopped, or wait behind a dialog. */
  askEveryMs?: number;
};

/** `since` is when the tab began to lead: what one says that has lost the line and does not know it yet is not heard. */
type Said<Message> = { ask: true } | { since: number; message: Message };

/** Joins the tabs that share a line. Without locks, as on a page without TLS, this tab has a line to itself. */
export function shareLine<Message>(parts: Parts<Message>): Line {
  const { name, open, hear, latest, onLost, answerMs = 2_000, askEveryMs = 10_000 } = parts;
  const locks = globalThis.navigator?.locks;
  if (!locks || typeof BroadcastChannel === 'undefined') return open(hear, false);
  const channel = new BroadcastChannel(name);
  const page: Document | undefined = globalThis.document;
  let line: Line | undefined;
  /** Settles when this tab gives the lock back that it leads by. */
  let term: PromiseWithResolvers<void> | undefined;
  let newest = 0;
  let wasLed = false;
  let queue: AbortController | undefined;
  let patience: ReturnType<typeof setTimeout> | undefined;
  let isClosed = false;

  const post = (said: Said<Message>) => channel.postMessage(said);
  channel.onmessage = ({ data }: MessageEvent<Said<Message>>) => {
    if ('ask' in data) {
      if (line) post({ since: newest, message: latest() });
      return;
    }
    if (data.since < newest || (line && data.since === newest)) return;
    newest = data.since;
    if (line) stepDown();
    calm();
    wasLed = true;
    hear(data.message);
  };

  function calm(): void {
    clearTimeout(patience);
    patience = undefined;
  }
  function lead(own: PromiseWithResolvers<void>): void {
    calm();
    leave();
    // Later than every other one, also if the clock was set back.
    const since = Math.max(Date.now(), newest + 1);
    newest = since;
    term = own;
    const say = (message: Message) => {
      if (term !== own) return;
      hear(message);
      post({ since, message });
    };
    line = open(say, wasLed);
    post({ since, message: latest() });
  }
  function leave(): void {
    line?.close();
    line = undefined;
    term?.resolve();
    term = undefined;
  }
  function stepDown(): void {
    leave();
    wasLed = true;
    queueUp();
    onLost();
    ask();
  }

  function request(options: LockOptions): void {
    const own = Promise.withResolvers<void>();
    locks
      .request(name, options, (lock) => {
        if (isClosed) return;
        if (lock) {
          lead(own);
          return own.promise;
        }
        wasLed = true;
        queueUp();
        ask();
      })
      .catch((error) => {
        if (isClosed) return;
        // Another tab has taken it, because this one gave no answer.
        if (term === own) stepDown();
        // The browser has locks, and gives this page none.
        else if (error?.name !== 'AbortError' && !line) line = open(hear, false);
      });
  }
  function queueUp(): void {
    queue?.abort();
    queue = new AbortController();
    request({ signal: queue.signal });
  }
  function take(): void {
    patience = undefined;
    queue?.abort();
    wasLed = true;
    request({ steal: true });
  }
  function ask(): void {
    if (line || isClosed) return;
    post({ ask: true });
    patience ??= setTimeout(take, answerMs);
  }
  const askInSight = () => page?.visibilityState !== 'hidden' && ask();
  page?.addEventListener('visibilitychange', askInSight);
  const asking = setInterval(askInSight, askEveryMs);
  request({ ifAvailable: true });
  return {
    again: () => (line ? line.again() : ask()),
    close() {
      isClosed = true;
      calm();
      clearInterval(asking);
      page?.removeEventListener('visibilitychange', askInSight);
      leave();
      queue?.abort();
      channel.close();
    },
  };
}
