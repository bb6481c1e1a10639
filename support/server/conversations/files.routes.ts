import { addFileRoutes, type Files, type StoredFile } from '@aether/files';
import { type App, type AppEnv, createRoute, createStaffRoute } from '@aether/http';
import { CustomerErased, NotFound, type PlatformDb, type Transaction } from '@aether/platform';
import type { Context } from 'hono';
import { byVisitor, type VisitorDoor } from '../visitors/visitordoor.ts';
import { requireReaderOf } from './readers.ts';
import { mayReturn } from './reopening.ts';
import { SessionEnded } from './sessions.ts';

/**
 * Files in conversations. A visitor uploads to their own conversation and reads what was sent in its messages. An agent uploads to a conversation that
 * they may read, also after its end, because a note can be added then; and reads what was sent there, notes with it. Nobody reads an upload that was
 * not sent yet.
 */
export function addConversationFileRoutes(
  app: App,
  db: PlatformDb,
  { door, files }: { door: VisitorDoor; files: Files },
): void {
  addFileRoutes(app, files, {
    uploads: '/api/sessions/{id}/uploads',
    file: '/api/sessions/{id}/files/{file}',
    of: 'the conversation, as the visitor',
    noun: 'SessionUpload',
    statuses: [401, 403, 404, 429],
    make: (parts) => createRoute({ ...parts, security: byVisitor }),
    async enter(c, id, act) {
      const { session } = await door.enter(c, id);
      if (act === 'begin')
        await door.limits.pass([
          ['file-session', session.id],
          ['file-address', door.addressOf(c)],
        ]);
      return {
        owner: { parentId: session.id, createdBy: null },
        hold: (tx) => holdOpen(tx, session.id, { orReturning: true }),
      };
    },
    async read(c, find, id) {
      const { session } = await door.enter(c, id as string);
      const file = await find();
      if (file.parent_id !== session.id || file.record_id === null) throw new NotFound('file');
      // A file of a note is not for them.
      const said = await db.query('select from support.messages where id = $1 and session_id = $2', [
        file.record_id,
        session.id,
      ]);
      if (said.length === 0) throw new NotFound('file');
      return file;
    },
  });

  addFileRoutes(app, files, {
    uploads: '/api/sessions/{id}/attachments',
    file: '/api/files/{file}',
    of: 'a conversation, as an agent',
    noun: 'ReplyUpload',
    statuses: [404, 410],
    make: (parts, act) => createStaffRoute({ ...parts, right: act === 'read' ? 'conversations.read' : 'person' }),
    async enter(c, id) {
      await requireReaderOf(db, c.get('caller'), id);
      return { owner: { parentId: id, createdBy: c.get('actor')?.id ?? null }, hold: (tx) => holdPresent(tx, id) };
    },
    read: (c, find) => readAsStaff(c, find),
  });

  async function readAsStaff(c: Context<AppEnv>, find: () => Promise<StoredFile>): Promise<StoredFile> {
    const file = await find();
    if (file.record_id === null) throw new NotFound('file');
    await requireReaderOf(db, c.get('caller'), file.parent_id);
    return file;
  }
}

/** An erasure of its person waits, and finds the file that begins here. @throws NotFound, CustomerErased */
async function holdPresent(tx: Transaction, id: string): Promise<void> {
  const [session] = await tx.query<{ is_erased: boolean }>(
    `select exists (select from platform.customers c where c.id = s.customer_id and c.erased_at is not null) as is_erased
     from support.sessions s where s.id = $1 for share of s`,
    [id],
  );
  if (!session) throw new NotFound('session');
  if (session.is_erased) throw new CustomerErased();
}

/**
 * Keeps the conversation open to the end of the transaction, so that an erasure of its person finds the file that begins here.
 *
 * @param options `orReturning`: also one that has ended, if a message of its visitor, which comes after its files, opens it again
 */
async function holdOpen(tx: Transaction, id: string, { orReturning = false } = {}): Promise<void> {
  const [session] = await tx.query<{ status: string; may_return: boolean }>(
    `select s.status, coalesce(${mayReturn}, false) as may_return from support.sessions s where s.id = $1 for share of s`,
    [id],
  );
  if (!session) throw new NotFound('session');
  if (session.status === 'ended' && !(orReturning && session.may_return)) throw new SessionEnded();
}
