import { send } from './request.ts';

/** `live`: what the screen shows is kept fresh. Otherwise it may be old, and the person is told. */
export type LiveState = 'connecting' | 'live' | 'reconnecting' | 'offline';

/** A message of `/api/events`. */
export type LiveEvent = {
  type: string;
  /** The customer, else the row. */
  key: string;
  version: number | null;
  app: string;
  actor: string | null;
  data: Record<string, unknown>;
  previous: Record<string, unknown>;
};

export type LiveFeed = {
  getState: () => LiveState;
  /** Called when the state changes. */
  subscribe: (listener: () => void) => () => void;
  /** Called with every event, and with `undefined` when some may have been missed: then load anew. */
  follow: (listener: (event: LiveEvent | undefined) => void) => () => void;
};

const retryMsMin = 1_000;
const retryMsMax = 30_000;

/**
 * One connection for the whole page. The browser goes on after a cut by itself, from the last event; only when it gives up,
 * or was offline, a new connection is opened, and followers hear `undefined`.
 */
export function openLiveFeed(types: string[]): LiveFeed {
  const listeners = new Set<() => void>();
  const followers = new Set<(event: LiveEvent | undefined) => void>();
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
    for (const follower of followers) follower(event);
  };

  function connect(): void {
    clearTimeout(retry);
    source?.close();
    const opened = new EventSource(`/api/events?types=${types.join(',')}`);
    source = opened;
    opened.onopen = () => {
      retryMs = retryMsMin;
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
  }

  /** The browser gives up on a refusal: asking who is signed in leads to the sign-in page, if that is why. */
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

  return {
    getState: () => state,
    subscribe(listener) {
      if (!wasOpen) connect();
      wasOpen = true;
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    follow(follower) {
      followers.add(follower);
      return () => followers.delete(follower);
    },
  };
}
