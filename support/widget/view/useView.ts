import { useEffect, useState } from 'preact/hooks';
import type { Chat, View } from '../chat/chat.ts';

/** The chat's current state, rendered again whenever it changes. */
export function useView(chat: Chat): View {
  const [view, setView] = useState(chat.getView);
  useEffect(() => {
    setView(chat.getView());
    return chat.subscribe(() => setView(chat.getView()));
  }, [chat]);
  return view;
}
