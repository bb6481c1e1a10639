import { keepPreviousData, useQuery } from '@tanstack/react-query';
import { type KeyboardEvent, type RefObject, useId, useLayoutEffect, useRef, useState } from 'react';
import { findTyped, keep, knownIn, labelOf, show } from './drafts.ts';

export type Person = { id: string; name: string; email: string };

/** Who can be mentioned in a text. */
export type FindPeople = {
  /** Names the record in the cache of queries. */
  of: readonly string[];
  find: (search: string, signal: AbortSignal) => Promise<{ people: Person[] }>;
};

type Mentioning = {
  input: RefObject<HTMLTextAreaElement | null>;
  draft: string;
  onChange: (draft: string) => void;
  /** Undefined: nobody can be mentioned here. */
  people: FindPeople | undefined;
};

/** Mentions in a text field: `@` and letters open a list of people, whose keys are those of the field. */
export function useMentioning({ input, draft, onChange, people }: Mentioning) {
  const listId = useId();
  const [typed, setTyped] = useState<ReturnType<typeof findTyped>>();
  const [chosen, setChosen] = useState(0);
  const caret = useRef<number>(undefined);
  const shown = people ? show(draft) : draft;
  const known = knownIn(draft);
  const isNamed = typed !== undefined && known.some(({ name }) => name === typed.typed);
  const search = people && !isNamed ? typed?.typed : undefined;
  const { data, isPlaceholderData } = useQuery({
    queryKey: ['mentionable', ...(people?.of ?? []), search],
    queryFn: ({ signal }) => people?.find(search ?? '', signal) ?? { people: [] },
    enabled: search !== undefined,
    staleTime: 60_000,
    placeholderData: keepPreviousData,
  });
  const found = search === undefined ? [] : (data?.people ?? []);
  const index = Math.min(chosen, Math.max(0, found.length - 1));
  const isOpen = found.length > 0;

  // The caret stays behind the name that was put in.
  useLayoutEffect(() => {
    const at = caret.current;
    if (at === undefined) return;
    caret.current = undefined;
    input.current?.setSelectionRange(at, at);
  });

  const insert = ({ id, name, email }: Person) => {
    if (!typed) return;
    const label = labelOf({ id, name, email }, known);
    const end = typed.from + 1 + typed.typed.length;
    const words = `${shown.slice(0, typed.from)}@${label} `;
    const rest = shown.slice(end).replace(/^ /, '');
    caret.current = words.length;
    setTyped(undefined);
    onChange(keep(words + rest, [...known, { id, name: label }]));
    input.current?.focus();
  };

  return {
    shown,
    found,
    index,
    listId,
    isOpen,
    /** The properties that tell a reader of the screen, and a dialog around the field, of the list. */
    aria: isOpen
      ? {
          role: 'combobox',
          'aria-expanded': true,
          'aria-autocomplete': 'list' as const,
          'aria-controls': listId,
          'aria-activedescendant': `${listId}-${index}`,
          // A dialog listens before the field: Escape is the list's.
          'data-mantine-stop-propagation': true,
        }
      : {},
    insert,
    /** Takes what was typed. */
    type(field: HTMLTextAreaElement): void {
      setChosen(0);
      setTyped(people && findTyped(field.value, field.selectionStart));
      onChange(people ? keep(field.value, known) : field.value);
    },
    close: () => setTyped(undefined),
    /** @returns whether the key was for the list. */
    press(event: KeyboardEvent): boolean {
      if (!isOpen || event.nativeEvent.isComposing) return false;
      const by = event.key === 'ArrowDown' ? 1 : event.key === 'ArrowUp' ? -1 : 0;
      const person = found[index];
      const isPlain = !event.shiftKey && !event.ctrlKey && !event.metaKey && !event.altKey;
      if (by !== 0) setChosen((index + by + found.length) % found.length);
      else if (event.key === 'Escape') setTyped(undefined);
      // What is shown is of the letters before: Enter must not take somebody else.
      else if ((event.key === 'Enter' || event.key === 'Tab') && isPlain && person) {
        if (!isPlaceholderData) insert(person);
      } else return false;
      event.preventDefault();
      event.stopPropagation();
      return true;
    },
  };
}
