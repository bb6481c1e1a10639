import { useState } from 'preact/hooks';
import type { Chat } from '../chat/chat.ts';
import type { Words } from '../chat/words.ts';

const scores = [1, 2, 3, 4, 5];
const charactersMax = 1_000;

/** The question how the conversation was: five scores for mouse and arrow keys, and room for words. It is asked once. */
export function Rating({ chat, words }: { chat: Chat; words: Words }) {
  const [score, setScore] = useState(0);
  const [comment, setComment] = useState('');
  const [isSending, setSending] = useState(false);
  const [isFailed, setFailed] = useState(false);
  const send = async (event: Event) => {
    event.preventDefault();
    if (score === 0 || isSending) return;
    setSending(true);
    setFailed(false);
    if (!(await chat.rate(score, comment.trim()))) setFailed(true);
    setSending(false);
  };
  return (
    <form class="rate" onSubmit={send}>
      <fieldset>
        <legend>{words.rate}</legend>
        <div class="scores">
          {scores.map((each) => (
            <label key={each}>
              <input
                type="radio"
                name="score"
                value={each}
                checked={score === each}
                aria-label={each === 1 ? `1, ${words.worst}` : each === 5 ? `5, ${words.best}` : String(each)}
                onChange={() => setScore(each)}
              />
              <span aria-hidden="true">{each}</span>
            </label>
          ))}
        </div>
        <div class="ends" aria-hidden="true">
          <span>{words.worst}</span>
          <span>{words.best}</span>
        </div>
      </fieldset>
      {score > 0 && (
        <textarea
          rows={2}
          dir="auto"
          maxLength={charactersMax}
          aria-label={words.comment}
          placeholder={words.comment}
          value={comment}
          onInput={({ currentTarget }) => setComment(currentTarget.value)}
        />
      )}
      {isFailed && (
        <p class="error" role="alert">
          {words.refused}
        </p>
      )}
      <div class="acts">
        <button type="button" class="plain" onClick={() => chat.skipRating()}>
          {words.later}
        </button>
        <button type="submit" class="plain go" disabled={score === 0 || isSending}>
          {words.send}
        </button>
      </div>
    </form>
  );
}
