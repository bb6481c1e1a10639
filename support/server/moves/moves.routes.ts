import { type App, addMovesOf, movesOf } from '@aether/http';
import type { PlatformDb } from '@aether/platform';
import { requireAgent } from '../agents/agents.ts';
import { requireReaderOf } from '../conversations/readers.ts';

const ofSession = movesOf('/api/sessions/{id}', {
  what: 'a conversation',
  who: 'For agents who may read it. Its activity in the CRM goes with it. It is unverified afterwards: its visitor has not proven to be this customer.',
});
const ofCall = movesOf('/api/calls/{id}', {
  what: 'a call',
  who: 'For agents. Its activity in the CRM goes with it.',
});

/** Conversations that belong to another customer. Agents who may read one may move it; a machine may not. */
export function addSessionMoveRoutes(app: App, db: PlatformDb) {
  return addMovesOf(app, db, ofSession, {
    kind: 'session',
    requireMover: (c, id) => requireReaderOf(db, c.get('caller'), id),
  });
}

/** Calls that belong to another customer. */
export function addCallMoveRoutes(app: App, db: PlatformDb) {
  return addMovesOf(app, db, ofCall, { kind: 'call', requireMover: (c) => requireAgent(db, c.get('actor')) });
}
