import { type SentFile, sayFiles } from '@aether/ui/attachments/upload.ts';
import { client } from '@aether/ui/client.ts';
import { show, toText } from '@aether/ui/mentions/drafts.ts';
import { Refusal } from '@aether/ui/refusal.ts';
import type { Unsent } from '@aether/ui/unsent.ts';
import { openOutbox } from '@aether/ui/useOutbox.ts';
import { SessionClaimed, sendNote, sendReply, take } from '../api/conversation.ts';
import { liveFeed } from '../api/live.ts';
import type { Named } from '../api/records.ts';

/**
 * An agent's message or note. `holder`: the agent who has the conversation, if that is why it was refused. `isOver`: the conversation has
 * ended, so it can never be sent.
 */
type Written = { kind: 'reply' | 'note'; body: string; files?: SentFile[]; holder?: Named; isOver?: boolean };

export type UnsentWords = Unsent<Written>;

/** The unsent messages of a conversation, and the actions on them. */
export const { useOutbox, sendUnsent } = openOutbox<Written>({
  name: 'messages',
  feed: liveFeed,
  async deliver({ place, client_id, kind, body, files }) {
    const ids = files?.map(({ id }) => id);
    if (kind === 'reply') take(client, place, { messages: [await sendReply(place, client_id, body, ids)] });
    else take(client, place, { entries: [await sendNote(place, client_id, toText(body), ids)] });
  },
  explain: (error) => ({
    holder: error instanceof SessionClaimed ? error.agent : undefined,
    isOver: error instanceof Refusal && error.code === 'session-ended',
  }),
  wordsOf: ({ kind, body, files = [] }) => (kind === 'note' ? show(body) : body) || sayFiles(files),
});
