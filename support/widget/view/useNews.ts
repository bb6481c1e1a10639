import { useCallback, useEffect, useRef, useState } from 'preact/hooks';
import type { View } from '../chat/chat.ts';
import type { Words } from '../chat/words.ts';
import { describeNews } from './news.ts';

/** The words of the panel's live region, and a function that says something else there. */
export function useNews(view: View, words: Words): [said: string, say: (text: string) => void] {
  const before = useRef(view);
  const [said, setSaid] = useState('');
  // The same words again are read only if the text is another: a space makes it so.
  const say = useCallback((text: string) => setSaid((last) => (last === text ? `${text}\u00a0` : text)), []);
  useEffect(() => {
    const news = describeNews(before.current, view, words);
    before.current = view;
    if (news) say(news);
  }, [view, words, say]);
  return [said, say];
}
