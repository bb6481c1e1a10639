import { Problem } from '@aether/http';
import { isUuid, NotFound, type PlatformDb, type Transaction } from '@aether/platform';
import type { TimelineEntry } from './timeline.ts';

/*
 * What Support lets the people of the CRM read of what was said: conversations that have ended, and its notes of calls. Support's administrators
 * decide for whom (`support.sharing`). The words stay Support's: each reading asks anew, so that a decision and a correction hold at once.
 */

/** What a person may read beyond the entry itself, by the id of the entry. */
export type Shared = { is_conversation_shared?: true; shared_notes?: string };

/** Of these entries, what Support shares with this person. */
export async function readShared(
  db: Pick<PlatformDb, 'transaction'>,
  actor: string | undefined,
  entries: TimelineEntry[],
): Promise<Map<string, Shared>> {
  const sessions = referencesOf(entries, 'support_chat', 'session_id');
  const calls = referencesOf(entries, 'support_call', 'call_id');
  if (actor === undefined || sessions.size + calls.size === 0) return new Map();
  return db.transaction({ actor }, async (tx) => {
    const conversations = await tx.query<{ id: string }>(
      'select id from platform.list_shared_conversations($1::uuid[]) id',
      [[...sessions.keys()]],
    );
    const notes = await tx.query<{ id: string; notes: string }>(
      'select id, notes from platform.read_shared_calls($1)',
      [[...calls.keys()]],
    );
    return new Map<string, Shared>([
      ...conversations.map(({ id }) => [sessions.get(id) as string, { is_conversation_shared: true }] as const),
      ...notes.map(({ id, notes }) => [calls.get(id) as string, { shared_notes: notes }] as const),
    ]);
  });
}

/** The records of Support that entries of this type are about, each with its entry. An entry whose words are gone with their time names none. */
function referencesOf(entries: TimelineEntry[], type: string, field: string): Map<string, string> {
  return new Map(
    entries.flatMap((entry) => {
      if (entry.kind !== 'activity' || entry.app !== 'support' || entry.type !== type) return [];
      const named = entry.metadata[field];
      return typeof named === 'string' && isUuid(named) ? [[named, entry.id] as const] : [];
    }),
  );
}

export type SharedMessage = {
  number: number;
  author: 'visitor' | 'agent' | 'bot';
  /** As the visitor gave it, or the agent's; null: a bot, or a visitor without a name. */
  name: string | null;
  body: string;
  /** How many files came with it; they are shown by Support alone. */
  files: number;
  at: Date;
};

/**
 * Reads what was said in the conversation that an entry of the timeline is about, in order, after this number. Needs the person as the actor of
 * the transaction.
 *
 * @throws NotFound; Problem 403 where Support does not share it with this person.
 */
export async function readConversation(
  tx: Transaction,
  activity: string,
  { after, limit }: { after: number; limit: number },
): Promise<SharedMessage[]> {
  const [about] = await tx.query<{ session: string; is_shared: boolean }>(
    `select s.id as session, exists (select from platform.list_shared_conversations(array[s.id])) as is_shared
     from crm.activities a cross join lateral (
       select case when pg_input_is_valid(a.metadata ->> 'session_id', 'uuid') then (a.metadata ->> 'session_id')::uuid end as id
     ) s
     where a.id = $1 and a.type = 'support_chat' and a.created_by_app = 'support' and s.id is not null`,
    [activity],
  );
  if (!about) throw new NotFound('conversation');
  if (!about.is_shared)
    throw new Problem({
      status: 403,
      code: 'conversation-not-shared',
      detail:
        'Support does not show you this conversation. An administrator decides who reads it: in Support, under Sharing.',
    });
  return tx.query<SharedMessage>(
    'select number, author, name, body, files, at from platform.read_shared_conversation($1, $2, $3)',
    [about.session, after, limit],
  );
}
