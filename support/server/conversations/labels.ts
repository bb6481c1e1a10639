import { ReferenceNotFound, type Transaction } from '@aether/platform';
import { addEntry } from './entries.ts';
import { getSession, lockSession, type Session } from './sessions.ts';

/*
 * Tags and the priority of a conversation, also of one that has ended. Each change is an entry of the conversation. What is there already
 * is no change.
 */

export const priorities = ['low', 'normal', 'high', 'urgent'] as const;
export type Priority = (typeof priorities)[number];

/** Gives a conversation a tag. @throws NotFound; ReferenceNotFound for an unknown tag */
export async function giveTag(tx: Transaction, id: string, by: { agentId: string; tagId: number }): Promise<Session> {
  await lockSession(tx, id);
  const name = await holdTag(tx, by.tagId);
  const given = await tx.query(
    'insert into support.session_tags (session_id, tag_id) values ($1, $2) on conflict do nothing returning tag_id',
    [id, by.tagId],
  );
  if (given.length > 0) await addEntry(tx, id, 'tagged', { agentId: by.agentId, body: name });
  return getSession(tx, id);
}

/** Takes a tag from a conversation. @throws NotFound; ReferenceNotFound for an unknown tag */
export async function takeTag(tx: Transaction, id: string, by: { agentId: string; tagId: number }): Promise<Session> {
  await lockSession(tx, id);
  const name = await holdTag(tx, by.tagId);
  const taken = await tx.query(
    'delete from support.session_tags where session_id = $1 and tag_id = $2 returning tag_id',
    [id, by.tagId],
  );
  if (taken.length > 0) await addEntry(tx, id, 'untagged', { agentId: by.agentId, body: name });
  return getSession(tx, id);
}

async function holdTag(tx: Transaction, tagId: number): Promise<string> {
  const [tag] = await tx.query<{ name: string }>('select name from support.tags where id = $1 for key share', [tagId]);
  if (!tag) throw new ReferenceNotFound('tag_id');
  return tag.name;
}

/** @throws NotFound */
export async function prioritise(
  tx: Transaction,
  id: string,
  { agentId, priority }: { agentId: string; priority: Priority },
): Promise<Session> {
  await lockSession(tx, id);
  const changed = await tx.query(
    // It may have other targets now.
    'update support.sessions set priority = $2, clocked_at = null where id = $1 and priority <> $2 returning id',
    [id, priority],
  );
  if (changed.length > 0) await addEntry(tx, id, 'prioritised', { agentId, body: priority });
  return getSession(tx, id);
}
