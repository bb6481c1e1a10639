import { askVersion } from './parts/version.ts';
import { send } from './request.ts';
import { seen } from './seen.ts';

/** `live`: the screen is kept fresh. Otherwise it may be stale, and the page says so. */
export type LiveState = 'connecting' | 'live' | 'reconnecting' | 'offline';

/** A message of `/api/events`. */
export type LiveEvent = {
  type: string;
  /** The row, or its owner: for a message, its session. */
  key: string;
  /** The customer of the event, if it was known when the event happened. */
  customer: string | null;
  /** The row that changed. */
  row_id: string;
  /** Its place in the log. */
  position: number;
  occurred_at: string;
  version: number | null;
  app: string;
  actor: string | null;
  data: Record<string, unknown>;
  previous: Record<string, unknown>;
};

/** A notice that is not stored, such as somebody's typing. */
type LiveSignal = Record<string, unknown> & { kind: string };

export type LiveFeed<Signal extends LiveSignal = LiveSignal> = {
  getState: () => LiveState;
  /** Called when the state changes. */
  subscribe: (listener: () => void) => () => void;
  /** Called with every event, and with `undefined` if some may have been missed. Everything must be loaded again then. */
  follow: (listener: (event: LiveEvent | undefined) => void) => () => void;
  followSignals: (listener: (signal: Signal) => void) => () => void;
};

const retryMsMin = 1_000;
const retryMsMax = 30_000;

/**
 * One connection for the whole page. After a cut the browser continues by itself from the last event. Only if it gives up, or
 * was offline, a new connection is opened, and followers get `undefined`.
 */
export function openLiveFeed<Signal extends LiveSignal>(types: string[]): LiveFeed<Signal> {
  const listeners = new Set<() => void>();
  const followers = new Set<(event: LiveEvent | undefined) => void>();
  const watchers = new Set<(signal: Signal) => void>();
  let state: LiveState = 'connecting';
  let source: EventSource | undefined;
  let retryMs = retryMsMin;
  let retry: ReturnType<typeof setTimeout> | undefined;
  let wasOpen = false;

  const become = (next: LiveState) => {
    if (next === state) return;
    state = next;
    for (const listener of listeners) listener();
  };
  const tell = (event: LiveEvent | undefined) => {
    seen.tell(); // what is loaded because of it must have it
    for (const follower of followers) follower(event);
  };

  function connect(): void {
    clearTimeout(retry);
    source?.close();
    const opened = new EventSource(`/api/events?types=${types.join(',')}`);
    source = opened;
    opened.onopen = () => {
      retryMs = retryMsMin;
      if (state !== 'connecting') void askVersion(); // what cut the line may have been a deployment
      become('live');
    };
    opened.onerror = () => {
      become(navigator.onLine ? 'reconnecting' : 'offline');
      if (opened.readyState !== EventSource.CLOSED) return;
      retry = setTimeout(() => void connectAnew(), retryMs);
      retryMs = Math.min(retryMs * 2, retryMsMax);
    };
    opened.addEventListener('reset', () => tell(undefined));
    for (const type of types)
      opened.addEventListener(type, (message) => tell(JSON.parse((message as MessageEvent<string>).data)));
    opened.addEventListener('signal', (message) => {
      seen.tell();
      const signal: Signal = JSON.parse((message as MessageEvent<string>).data);
      for (const watcher of watchers) watcher(signal);
    });
  }

  /** The browser gives up after a refusal. If a missing sign-in is the reason, asking for the person leads to the sign-in page. */
  async function connectAnew(): Promise<void> {
    await send('/signin/me').catch(() => undefined);
    connect();
    source?.addEventListener('open', () => tell(undefined), { once: true });
  }

  window.addEventListener('offline', () => become('offline'));
  window.addEventListener('online', () => {
    become('reconnecting');
    void connectAnew();
  });

  const join = <Each>(all: Set<Each>, one: Each) => {
    all.add(one);
    return () => void all.delete(one);
  };
  return {
    getState: () => state,
    subscribe(listener) {
      if (!wasOpen) connect();
      wasOpen = true;
      return join(listeners, listener);
    },
    follow: (follower) => join(followers, follower),
    followSignals: (watcher) => join(watchers, watcher),
  };
}
