import type { LiveEvent, LiveFeed, LiveState } from '@aether/ui/live.ts';
import { send } from '@aether/ui/request.ts';
import type { Named } from './records.ts';

/** What passes by and is kept nowhere: who types, who looks, who has read how far. */
export type Signal =
  | { kind: 'typing'; session_id: string; author: 'visitor' | 'agent'; agent: Named | null; is_typing: boolean }
  | { kind: 'read'; session_id: string; author: 'visitor' | 'agent'; number: number }
  | { kind: 'viewing'; session_id: string; agents: (Named & { is_typing: boolean })[] };

/** An event as the stream has it, with when it happened and its place in the log. */
export type SupportEvent = LiveEvent & { position: number; occurred_at: string };

type SupportFeed = LiveFeed & { followSignals: (listener: (signal: Signal) => void) => () => void };

const types = [
  'session.created',
  'session.updated',
  'message.created',
  'customer.updated',
  'call.created',
  'call.updated',
];
const retryMsMin = 1_000;
const retryMsMax = 30_000;

/** As ui/live.ts, and with the signals, which come on the same stream. */
function openFeed(): SupportFeed {
  const listeners = new Set<() => void>();
  const followers = new Set<(event: LiveEvent | undefined) => void>();
  const watchers = new Set<(signal: Signal) => void>();
  let state: LiveState = 'connecting';
  let source: EventSource | undefined;
  let retryMs = retryMsMin;
  let retry: ReturnType<typeof setTimeout> | undefined;
  let isAsked = false;

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
    opened.addEventListener('signal', (message) => {
      const signal: Signal = JSON.parse((message as MessageEvent<string>).data);
      for (const watcher of watchers) watcher(signal);
    });
  }

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
      if (!isAsked) connect();
      isAsked = true;
      return join(listeners, listener);
    },
    follow: (follower) => join(followers, follower),
    followSignals: (watcher) => join(watchers, watcher),
  };
}

/** One connection for the whole page. */
export const liveFeed = openFeed();
