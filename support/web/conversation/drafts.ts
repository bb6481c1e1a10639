import { type Drafting, useDraft } from '@aether/ui/useDraft.ts';

export type Mode = 'reply' | 'note';
export type Draft = { mode: Mode; reply: string; note: string };

const emptyDraft: Draft = { mode: 'reply', reply: '', note: '' };
const hasNoWords = ({ reply, note }: Draft) => reply.trim() === '' && note.trim() === '';

/** The name of a conversation's draft. */
export const draftOf = (sessionId: string) => `answer:${sessionId}`;

/** The unsent answer and note of one conversation. */
export const useAnswerDraft = (sessionId: string): Drafting<Draft> =>
  useDraft(draftOf(sessionId), emptyDraft, hasNoWords);
