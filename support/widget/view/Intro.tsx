import { useRef } from 'preact/hooks';
import type { Chat, View } from '../chat/chat.ts';
import type { Words } from '../chat/words.ts';
import { PendingRow } from './PendingRow.tsx';

/** Asks for name and address, before the first message or with it; takes the question when no agent is there. */
export function Intro({ chat, view, words, isOffline }: { chat: Chat; view: View; words: Words; isOffline: boolean }) {
  const form = useRef<HTMLFormElement>(null);
  const { outbox, refusal } = view;
  return (
    <form
      ref={form}
      class="intro"
      onSubmit={(event) => {
        event.preventDefault();
        const given = new FormData(form.current as HTMLFormElement);
        const question = String(given.get('question') ?? '').trim();
        if (question) {
          chat.write(question);
          chat.keepDraft('');
        }
        chat.introduce({ name: String(given.get('name')).trim(), email: String(given.get('email')).trim() });
      }}
    >
      <p>{isOffline ? words.offline : words.greeting}</p>
      {outbox.length > 0 && (
        <ol class="kept">
          {outbox.map((pending) => (
            <PendingRow key={pending.client_id} pending={pending} chat={chat} view={view} words={words} />
          ))}
        </ol>
      )}
      <label>
        {words.name}
        <input name="name" data-first required maxLength={200} autocomplete="name" pattern=".*\S.*" />
      </label>
      <label>
        {words.email}
        <input name="email" type="email" required maxLength={254} autocomplete="email" />
      </label>
      {isOffline && outbox.length === 0 && (
        <label>
          {words.question}
          <textarea
            name="question"
            required
            rows={4}
            maxLength={4_000}
            defaultValue={chat.draft()}
            onInput={({ currentTarget }) => chat.keepDraft(currentTarget.value)}
          />
        </label>
      )}
      {refusal && <p class="error">{refusal}</p>}
      <button type="submit" class="start">
        {isOffline ? words.leave : words.start}
      </button>
    </form>
  );
}
