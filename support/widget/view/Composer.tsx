import { useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks';
import type { Chat } from '../chat/chat.ts';
import type { Words } from '../chat/words.ts';

const charactersMax = 4_000;
/** How often typing is reported, and after how long a pause it counts as stopped. */
const tellMs = 2_000;
const pauseMs = 4_000;
/** The key code of a key that an input method has taken: Safari reports that in no other way. */
const taken = 229;

type ComposerProps = {
  chat: Chat;
  words: Words;
  /** A message was put back, to be written on. */
  isEdited: boolean;
  /** Says something to visitors who do not see the screen. */
  say: (text: string) => void;
};

/** The text field: Enter sends, Shift and Enter begin a new line. */
export function Composer({ chat, words, isEdited, say }: ComposerProps) {
  const field = useRef<HTMLTextAreaElement>(null);
  const [text, setText] = useState(chat.draft);
  const toldAt = useRef(0);
  const pause = useRef<ReturnType<typeof setTimeout>>(undefined);
  const isLong = [...text].length > charactersMax;
  useLayoutEffect(() => {
    if (isEdited) field.current?.focus();
  }, [isEdited]);
  // biome-ignore lint/correctness/useExhaustiveDependencies: once, when it has become so
  useEffect(() => {
    if (isLong) say(words.long);
  }, [isLong]);

  const change = (next: string) => {
    setText(next);
    chat.keepDraft(next);
  };
  const tellTyping = () => {
    clearTimeout(pause.current);
    pause.current = setTimeout(() => {
      toldAt.current = 0;
      chat.type(false);
    }, pauseMs);
    if (Date.now() - toldAt.current < tellMs) return;
    toldAt.current = Date.now();
    chat.type(true);
  };
  const send = () => {
    const body = text.trim();
    if (body === '' || isLong) return;
    clearTimeout(pause.current);
    toldAt.current = 0;
    chat.write(body);
    change('');
  };

  return (
    <form
      class="foot"
      onSubmit={(event) => {
        event.preventDefault();
        send();
      }}
    >
      <textarea
        ref={field}
        data-first
        rows={1}
        value={text}
        dir="auto"
        aria-label={words.placeholder}
        aria-invalid={isLong}
        placeholder={words.placeholder}
        onInput={({ currentTarget }) => {
          change(currentTarget.value);
          tellTyping();
        }}
        onKeyDown={(event) => {
          if (event.key !== 'Enter' || event.shiftKey || event.isComposing || event.keyCode === taken) return;
          event.preventDefault();
          send();
        }}
      />
      <button
        type="submit"
        class="icon send"
        aria-label={words.send}
        disabled={text.trim() === '' || isLong}
        onMouseDown={(event) => event.preventDefault()} // the text field keeps the focus, and a phone its keyboard
      >
        <svg viewBox="0 0 24 24" aria-hidden="true">
          <path d="M4 12l16-8-6 16-3-7z" />
        </svg>
      </button>
      {isLong && <span class="error">{words.long}</span>}
    </form>
  );
}
