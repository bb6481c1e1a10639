import { useQuery } from '@tanstack/react-query';
import { type KeyboardEvent, useId, useState } from 'react';
import { cannedQuery } from '../api/canned.ts';
import { findCanned } from './canned.ts';

const shownMax = 8;

/** The canned answers that match the text after `/`; the keys of the text field choose one. */
export function useCanned(typed: string | undefined) {
  const listId = useId();
  const [chosen, setChosen] = useState({ typed: '', index: 0 });
  const { data, error } = useQuery({ ...cannedQuery, enabled: typed !== undefined });
  const answers = typed === undefined ? [] : findCanned(data?.canned_answers ?? [], typed).slice(0, shownMax);
  const index = Math.min(chosen.typed === typed ? chosen.index : 0, Math.max(0, answers.length - 1));
  // A line that begins with / and matches no canned answer is an ordinary answer.
  const isOpen = typed !== undefined && !typed.includes('\n') && (answers.length > 0 || !/\s/.test(typed));

  return {
    isOpen,
    isEmpty: data !== undefined && answers.length === 0,
    hasNone: data?.canned_answers.length === 0,
    error,
    answers,
    index,
    listId,
    activeId: answers.length > 0 ? `${listId}-${index}` : undefined,
    /** @returns whether the key was for the list. */
    press(event: KeyboardEvent, insert: (body: string) => void): boolean {
      const by = event.key === 'ArrowDown' ? 1 : event.key === 'ArrowUp' ? -1 : 0;
      const answer = answers[index];
      if (by !== 0 && answers.length > 0) {
        setChosen({ typed: typed ?? '', index: (index + by + answers.length) % answers.length });
      } else if ((event.key === 'Enter' || event.key === 'Tab') && !event.shiftKey && answer) insert(answer.body);
      else return false;
      event.preventDefault();
      return true;
    },
  };
}
