import { useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks';
import type { Chat } from '../chat/chat.ts';
import type { Words } from '../chat/words.ts';
import { useFiles } from './useFiles.ts';

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
  const files = useFiles(chat);
  const picker = useRef<HTMLInputElement>(null);
  /** Sends as soon as the files have arrived. */
  const [isWanted, setWanted] = useState(false);
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

  const canSend = !isLong && !files.isBusy && (text.trim() !== '' || files.sent.length > 0);
  // biome-ignore lint/correctness/useExhaustiveDependencies: once, when the last one has arrived
  useEffect(() => {
    if (isWanted && !files.isBusy) send();
  }, [isWanted, files.isBusy]);
  const problem = files.items.find((each) => each.problem)?.problem;
  const trouble = problem && describeProblem(problem, words);
  // biome-ignore lint/correctness/useExhaustiveDependencies: once, when it has become so
  useEffect(() => {
    if (trouble) say(trouble);
  }, [trouble]);

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
    setWanted(files.isBusy && !isLong);
    if (!canSend) return;
    clearTimeout(pause.current);
    toldAt.current = 0;
    chat.write(body, undefined, files.sent);
    files.clear();
    change('');
  };

  return (
    <form
      class="foot"
      onSubmit={(event) => {
        event.preventDefault();
        send();
      }}
      onDragOver={(event) => event.preventDefault()}
      onDrop={(event) => {
        event.preventDefault();
        files.add(event.dataTransfer?.files);
      }}
    >
      {files.items.length > 0 && (
        <ul class="tray">
          {files.items.map(({ key, file, share, sent, problem }) => (
            <li key={key} class={problem ? 'bad' : undefined}>
              <span>{file.name}</span> {!sent && !problem && `${Math.floor(share * 100)} %`}
              <button type="button" aria-label={`${words.discard}: ${file.name}`} onClick={() => files.remove(file)}>
                ×
              </button>
            </li>
          ))}
        </ul>
      )}
      {trouble && <span class="error">{trouble}</span>}
      <button type="button" class="icon" aria-label={words.attach} onClick={() => picker.current?.click()}>
        <svg viewBox="0 0 24 24" aria-hidden="true">
          <path d="M20 11l-8 8a5 5 0 01-7-7l8-8a3.5 3.5 0 015 5l-8 8a1.5 1.5 0 01-2-2l7-7" />
        </svg>
      </button>
      <input
        ref={picker}
        type="file"
        multiple
        hidden
        aria-label={words.attach}
        onChange={({ currentTarget }) => {
          files.add(currentTarget.files);
          currentTarget.value = '';
        }}
      />
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
        onPaste={(event) => {
          const pasted = event.clipboardData?.files;
          if (!pasted?.length || event.clipboardData?.types.includes('text/plain')) return;
          event.preventDefault();
          files.add(pasted);
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
        disabled={!canSend && !files.isBusy}
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

/** A refusal in the visitor's language. */
function describeProblem(code: string, words: Words): string {
  if (code === 'file-too-large' || code === 'image-too-large') return words.large;
  return code === 'file-type-refused' ? words.kind : words.unfit;
}
