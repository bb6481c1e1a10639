import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { atEnd, createTestDatabase, type TestDatabase } from '@aether/database/testing';
import { createStaffRoute, jsonBody, object, type Served, scopesOfSharedEvents, startServer, z } from '@aether/http';
import { collectLog, type LogEntry } from '@aether/http/testing';
import { addSignIn } from '@aether/signin';
import { type LocalApp, type LocalProvider, type Persona, startLocalProvider } from './provider.ts';

export const personas: Persona[] = [
  { objectId: 'oid-maya', name: 'Maya Okafor', email: 'maya@aether.example', roles: [], what: 'leads' },
  { objectId: 'oid-jonas', name: 'Jonas Weber', email: 'jonas@aether.example', roles: [], what: 'sells' },
  { objectId: 'oid-gail', name: 'Gail Guest', email: 'gail@guest.example', roles: [], what: 'visits' },
];

export type TestApps = {
  database: TestDatabase;
  folder: string;
  provider: LocalProvider;
  foundation: Served & { entries: LogEntry[] };
  support: Served & { entries: LogEntry[] };
  /** Another server of an app, with more settings. */
  start(app: 'foundation' | 'support', variables?: Record<string, string>): Promise<Served & { entries: LogEntry[] }>;
};

const scopes = {
  foundation: ['context.read', 'customers.read', 'deals.read', 'deals.write'],
  support: ['context.read', 'conversations.read'],
};
/** The apps of the provider. */
export const testApps: LocalApp[] = [
  { name: 'foundation', scopes: scopes.foundation },
  { name: 'support', scopes: scopes.support, asks: { of: 'foundation', scopes: ['context.read'] } },
];

const responses = {
  200: { description: 'ok', content: { 'application/json': { schema: z.object({ actor: z.string().nullable() }) } } },
};

/** Two small servers with sign-in, one of each app, with a database and a local provider for this test file alone. */
export async function startTestApps(): Promise<TestApps> {
  const database = await createTestDatabase();
  const folder = await mkdtemp(join(tmpdir(), 'aether-identity-'));
  const provider = await startLocalProvider({ folder, personas, apps: testApps, port: 0 });
  atEnd(async () => {
    await provider.close();
    await rm(folder, { recursive: true });
  });

  async function start(app: 'foundation' | 'support', variables: Record<string, string> = {}) {
    const { log, entries } = collectLog();
    const served = await startServer(
      {
        app,
        title: 'Test',
        version: '1.0.0',
        description: 'Test',
        portDefault: 0,
        rights: {
          scopes: Object.fromEntries(scopes[app].map((scope) => [scope, scope])),
          ofEvents: scopesOfSharedEvents,
        },
        addSignIn,
        addRoutes(routes) {
          routes.openapi(
            createStaffRoute({ method: 'get', path: '/api/staff', right: 'context.read', responses }),
            (c) => c.json({ actor: c.get('actor')?.id ?? null }, 200),
          );
          routes.openapi(
            createStaffRoute({
              method: 'post',
              path: '/api/staff',
              right: 'person',
              request: { body: jsonBody(object({})) },
              responses,
            }),
            (c) => c.json({ actor: c.get('actor')?.id ?? null }, 200),
          );
          routes.openapi(
            createStaffRoute({ method: 'get', path: '/api/admin', right: 'administrator', responses }),
            (c) => c.json({ actor: c.get('actor')?.id ?? null }, 200),
          );
        },
      },
      {
        port: 0,
        log,
        withoutSubscriptions: true,
        variables: { PLATFORM_DB_URL: database.url(`${app}_app`), ...provider.settingsOf(app), ...variables },
      },
    );
    atEnd(served.close);
    return { ...served, entries };
  }

  const first = { SIGNIN_FIRST_ADMIN: 'oid-maya' };
  const [foundation, support] = await Promise.all([start('foundation', first), start('support', first)]);
  return { database, folder, provider, foundation, support, start };
}
