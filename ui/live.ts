import { askVersion } from './parts/version.ts';
import { send } from './request.ts';
import { seen } from './seen.ts';
import { type Line, shareLine } from './sharedline.ts';
import { signedIn } from './signin.ts';

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

/** What the tabs of an app tell each other. */
type Said<Signal> = { state: LiveState } | { refused: true } | { event: LiveEvent | undefined } | { signal: Signal };

/**
 * One connection for all tabs of the app in which a person is signed in. After a cut the browser continues by itself from the last event. Only if it
 * gives up, was offline, or another tab had the connection before, a new one is opened, and followers get `undefined`.
 */
export function openLiveFeed<Signal extends LiveSignal>(types: string[]): LiveFeed<Signal> {
  const listeners = new Set<() => void>();
  const followers = new Set<(event: LiveEvent | undefined) => void>();
  const watchers = new Set<(signal: Signal) => void>();
  let state: LiveState = 'connecting';
  let shared: Line | undefined;
  let isLeading = false;
  let wasOpen = false;

  const become = (next: LiveState) => {
    if (next === state) return;
    if (next === 'live' && state !== 'connecting') void askVersion(); // what cut the line may have been a deployment
    state = next;
    for (const listener of listeners) listener();
  };
  function hear(said: Said<Signal>): void {
    if ('state' in said) {
      become(said.state);
      return;
    }
    if ('refused' in said) {
      if (!isLeading) void askForPerson();
      return;
    }
    seen.tell(); // what is loaded because of it must have it
    if ('signal' in said) for (const watcher of watchers) watcher(said.signal);
    else for (const follower of followers) follower(said.event);
  }

  /** If a missing sign-in is why the line was refused, this leads to the sign-in page or says that it timed out. */
  const askForPerson = () => send('/signin/me').catch(() => undefined);

  function openLine(say: (said: Said<Signal>) => void, isAfter: boolean): Line {
    let source: EventSource | undefined;
    let retryMs = retryMsMin;
    let retry: ReturnType<typeof setTimeout> | undefined;
    let isGap = isAfter;
    let isClosed = false;
    isLeading = true;

    function connect(): void {
      clearTimeout(retry);
      source?.close();
      if (isClosed) return;
      const opened = new EventSource(`/api/events?types=${types.join(',')}`);
      source = opened;
      opened.onopen = () => {
        retryMs = retryMsMin;
        say({ state: 'live' });
        if (isGap) say({ event: undefined });
        isGap = false;
      };
      opened.onerror = () => {
        say({ state: navigator.onLine ? 'reconnecting' : 'offline' });
        if (opened.readyState !== EventSource.CLOSED) return;
        say({ refused: true }); // the tab in sight may be another one
        retry = setTimeout(() => void connectAnew(), retryMs);
        retryMs = Math.min(retryMs * 2, retryMsMax);
      };
      opened.addEventListener('reset', () => say({ event: undefined }));
      for (const type of types)
        opened.addEventListener(type, (message) => say({ event: JSON.parse((message as MessageEvent<string>).data) }));
      opened.addEventListener('signal', (message) =>
        say({ signal: JSON.parse((message as MessageEvent<string>).data) }),
      );
    }

    /** The browser gives up after a refusal. */
    async function connectAnew(): Promise<void> {
      isGap = true;
      await askForPerson();
      connect();
    }

    if (isAfter) say({ state: 'reconnecting' }); // it is not open before the server says so
    connect();
    return {
      again: () => void connectAnew(),
      close() {
        isClosed = true;
        isLeading = false;
        clearTimeout(retry);
        source?.close();
      },
    };
  }

  async function share(): Promise<void> {
    // Of this person alone: somebody else who signs in with this browser may hear other events.
    const name = `aether.live ${await signedIn} ${types.join(' ')}`;
    const onLost = () => hear({ event: undefined });
    shared = shareLine({ name, open: openLine, hear, onLost, latest: (): Said<Signal> => ({ state }) });
  }

  window.addEventListener('offline', () => become('offline'));
  window.addEventListener('online', () => {
    become('reconnecting');
    shared?.again();
  });

  const join = <Each>(all: Set<Each>, one: Each) => {
    all.add(one);
    return () => void all.delete(one);
  };
  return {
    getState: () => state,
    subscribe(listener) {
      if (!wasOpen) void share();
      wasOpen = true;
      return join(listeners, listener);
    },
    follow: (follower) => join(followers, follower),
    followSignals: (watcher) => join(watchers, watcher),
  };
}
