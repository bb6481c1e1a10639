import { useQueryClient } from '@tanstack/react-query';
import { useCallback, useEffect, useRef, useState } from 'react';
import { noteRead, tellPresence } from '../api/conversation.ts';
import { liveFeed } from '../api/live.ts';
import type { Conversation, Viewer } from '../api/records.ts';

const presenceMs = 5_000;
/** A person whose typing is not reported again within this time has stopped. */
const typingMsMax = 6_000;
const typingPauseMs = 3_000;

/**
 * Whether the visitor types, and how far they have read. Reports to others that this agent looks, and types; a reader is not reported.
 */
export function usePresence(sessionId: string, { isTold }: { isTold: boolean }) {
  const [isVisitorTyping, setVisitorTyping] = useState(false);
  const [readAt, setReadAt] = useState<string | undefined>();
  const client = useQueryClient();
  const isTyping = useRef(false);
  const pause = useRef<ReturnType<typeof setTimeout>>(undefined);

  const tell = useCallback(() => {
    if (isTold && document.visibilityState === 'visible') tellPresence(sessionId, isTyping.current).catch(() => {});
  }, [sessionId, isTold]);

  useEffect(() => {
    tell();
    const timer = setInterval(tell, presenceMs);
    document.addEventListener('visibilitychange', tell);
    return () => {
      clearInterval(timer);
      clearTimeout(pause.current);
      document.removeEventListener('visibilitychange', tell);
    };
  }, [tell]);

  useEffect(() => {
    let ends: ReturnType<typeof setTimeout>;
    const unfollow = liveFeed.followSignals((signal) => {
      if (signal.kind === 'notices' || signal.session_id !== sessionId) return;
      if (signal.kind === 'viewing') {
        const queryKey = ['session', sessionId];
        client.setQueryData<Conversation>(queryKey, (shown) => shown && { ...shown, viewers: signal.agents });
        // What is on its way may be older than the signal, and would show the viewers of before for as long as nobody comes or goes.
        const query = client.getQueryCache().find({ queryKey });
        if (query?.state.fetchStatus === 'fetching')
          query.promise?.then(() => client.invalidateQueries({ queryKey })).catch(() => {});
      } else if (signal.kind === 'read') {
        noteRead(client, sessionId, signal.author, signal.number);
        if (signal.author === 'visitor') setReadAt(new Date().toISOString());
      } else if (signal.author === 'visitor') {
        clearTimeout(ends);
        setVisitorTyping(signal.is_typing);
        if (signal.is_typing) ends = setTimeout(() => setVisitorTyping(false), typingMsMax);
      }
    });
    const unfollowEvents = liveFeed.follow((event) => {
      if (event?.type !== 'message.created') return;
      if (event.data.session_id === sessionId && event.data.author === 'visitor') setVisitorTyping(false);
    });
    return () => {
      clearTimeout(ends);
      unfollow();
      unfollowEvents();
    };
  }, [client, sessionId]);

  const stopTyping = useCallback(() => {
    clearTimeout(pause.current);
    if (!isTyping.current) return;
    isTyping.current = false;
    tell();
  }, [tell]);
  const type = useCallback(() => {
    clearTimeout(pause.current);
    pause.current = setTimeout(stopTyping, typingPauseMs);
    if (isTyping.current) return;
    isTyping.current = true;
    tell();
  }, [tell, stopTyping]);

  return { isVisitorTyping, readAt, type, stopTyping };
}

/** `Tom is looking at this too`, `Tom and Ida are typing`. */
export function describeViewers(viewers: Viewer[]): string {
  const typing = viewers.filter(({ is_typing }) => is_typing);
  const told = typing.length > 0 ? typing : viewers;
  if (told.length === 0) return '';
  const names = told.map(({ name }) => name.split(' ')[0]);
  const who = names.length > 1 ? `${names.slice(0, -1).join(', ')} and ${names.at(-1)}` : names[0];
  const are = names.length > 1 ? 'are' : 'is';
  return typing.length > 0 ? `${who} ${are} typing an answer` : `${who} ${are} looking at this too`;
}
