import { client } from '@aether/ui/client.ts';
import { useEffect, useSyncExternalStore } from 'react';
import { sendNote, sendReply, take } from '../api/conversation.ts';
import { liveFeed } from '../api/live.ts';
import { createOutbox, type Unsent } from './outbox.ts';

/** The outbox of this tab: another tab of the same person sends its own messages. */
const outbox = createOutbox({
  storage: sessionStorage,
  key: 'aether.support.outbox',
  async deliver({ session_id, client_id, kind, body }: Unsent) {
    if (kind === 'reply') take(client, session_id, { messages: [await sendReply(session_id, client_id, body)] });
    else take(client, session_id, { entries: [await sendNote(session_id, client_id, body)] });
  },
});

const noticeBeforeLeaving = (event: BeforeUnloadEvent) => event.preventDefault();

/** The unsent messages of this conversation, and the actions on them. */
export function useOutbox(sessionId: string) {
  const unsent = useSyncExternalStore(outbox.subscribe, () => outbox.list(sessionId));
  useEffect(() => {
    const again = () => {
      if (liveFeed.getState() === 'live') outbox.retryOffline();
    };
    again();
    return liveFeed.subscribe(again);
  }, []);
  const isWaiting = unsent.length > 0;
  useEffect(() => {
    if (!isWaiting) return;
    window.addEventListener('beforeunload', noticeBeforeLeaving);
    return () => window.removeEventListener('beforeunload', noticeBeforeLeaving);
  }, [isWaiting]);
  return {
    unsent,
    send: (kind: Unsent['kind'], body: string) =>
      outbox.add({
        client_id: crypto.randomUUID(),
        session_id: sessionId,
        kind,
        body,
        created_at: new Date().toISOString(),
      }),
    retry: outbox.retry,
    discard: outbox.discard,
  };
}
