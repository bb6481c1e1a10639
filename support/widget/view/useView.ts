import { useEffect, useState } from 'preact/hooks';
import type { Chat, View } from '../chat/chat.ts';

/** What the chat is like now, and again whenever that changes. */
export function useView(chat: Chat): View {
  const [view, setView] = useState(chat.getView);
  useEffect(() => {
    setView(chat.getView());
    return chat.subscribe(() => setView(chat.getView()));
  }, [chat]);
  return view;
}
