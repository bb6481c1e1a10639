import { useRef } from 'preact/hooks';
import type { Chat } from '../chat/chat.ts';
import type { Words } from '../chat/words.ts';

/** Asks for name and address, before the first message or with it; takes the question when no agent is there. */
export function Intro({
  chat,
  words,
  isOffline,
  refusal,
  greeting,
}: {
  chat: Chat;
  words: Words;
  isOffline: boolean;
  refusal: string | null;
  greeting: string;
}) {
  const form = useRef<HTMLFormElement>(null);
  const hasQuestion = isOffline && chat.getView().outbox.length === 0;
  return (
    <form
      ref={form}
      class="intro"
      onSubmit={(event) => {
        event.preventDefault();
        const given = new FormData(form.current as HTMLFormElement);
        const question = String(given.get('question') ?? '').trim();
        if (question) chat.write(question);
        chat.introduce({ name: String(given.get('name')).trim(), email: String(given.get('email')).trim() });
      }}
    >
      <p>{isOffline ? words.offline : greeting}</p>
      <label>
        {words.name}
        <input name="name" data-first required maxLength={200} autocomplete="name" pattern=".*\S.*" />
      </label>
      <label>
        {words.email}
        <input name="email" type="email" required maxLength={254} autocomplete="email" />
      </label>
      {hasQuestion && (
        <label>
          {words.question}
          <textarea name="question" required rows={4} maxLength={4_000} />
        </label>
      )}
      {refusal && (
        <p class="error" role="alert">
          {refusal}
        </p>
      )}
      <button type="submit" class="start">
        {isOffline ? words.leave : words.start}
      </button>
    </form>
  );
}
