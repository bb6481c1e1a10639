import type { Chat, View } from '../chat/chat.ts';
import type { Pending } from '../chat/outbox.ts';
import type { Words } from '../chat/words.ts';
import { describeStop } from './news.ts';
import { Text } from './Text.tsx';

type PendingRowProps = {
  pending: Pending;
  /** It follows the words of somebody else. */
  isFirst?: boolean;
  chat: Chat;
  view: View;
  words: Words;
};

/** A message that the server has not taken: whether it is sent, waits, or will not be sent, and what can be done about that. */
export function PendingRow({ pending, isFirst, chat, view, words }: PendingRowProps) {
  const isOver = view.session?.status === 'ended';
  return (
    <li class={`row own${isFirst ? ' first' : ''}`}>
      <div class="bubble" dir="auto">
        <Text text={[pending.body, ...(pending.files ?? []).map(({ name }) => name)].filter(Boolean).join('\n')} />
      </div>
      {pending.state === 'waiting' ? (
        <span class="state">{describeWait(view, words)}</span>
      ) : (
        <span class="state bad">
          <span>{describeStop(pending, words)}</span>
          {/* An ended conversation has no text field; below it is the button to send this in a new one. */}
          {!isOver && (
            <>
              <button type="button" onClick={() => chat.retry(pending)}>
                {words.retry}
              </button>
              <button type="button" onClick={() => chat.edit(pending)}>
                {words.edit}
              </button>
            </>
          )}
          <button type="button" onClick={() => chat.discard(pending)}>
            {words.discard}
          </button>
        </span>
      )}
    </li>
  );
}

function describeWait({ mustIntroduce, isConnected, isDelayed }: View, words: Words): string {
  if (mustIntroduce) return words.unsent;
  return isConnected && !isDelayed ? words.sending : words.waiting;
}
