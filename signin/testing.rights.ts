import type { TestDatabase } from '@aether/database/testing';
import { type AppScopes, isPersonal } from '@aether/http';
import { describe, expect, test } from 'vitest';
import type { SignedCalls, TestIssuer } from './testing.ts';

type Operation = {
  'x-right'?: string;
  'x-readers'?: string;
  security?: Record<string, string[]>[];
  operationId?: string;
  tags?: string[];
  summary?: string;
  description?: string;
  responses: Record<string, { description?: string; content?: Record<string, { schema: { $ref?: string } }> }>;
};
type Route = { method: string; path: string } & Operation;
type Tried = SignedCalls & { url: string; issuer: TestIssuer; database: TestDatabase };

/**
 * Tests that every route of an app declares its right, and that the server enforces it, over HTTP with real tokens.
 *
 * @param open the routes, such as `GET /api/things`, that everybody may use. A route that needs another token, such as
 *   a visitor's, declares that token.
 */
export function testRights(
  app: string,
  { scopes, ofEvents }: AppScopes,
  start: () => Tried,
  open: readonly string[],
): void {
  const scopesHere = Object.keys(scopes);
  /** Scopes of other apps are among them: they open nothing here. */
  const everyScope = [...new Set([...scopesHere, 'invoices.read', 'invoices.write', 'deals.write', 'calls.read'])];

  async function listRoutes(): Promise<Route[]> {
    const { paths } = (await (await fetch(`${start().url}/openapi.json`)).json()) as {
      paths: Record<string, Record<string, Operation>>;
    };
    return Object.entries(paths).flatMap(([path, operations]) =>
      Object.entries(operations).map(([method, operation]) => ({ method: method.toUpperCase(), path, ...operation })),
    );
  }
  const listGuarded = async () => (await listRoutes()).filter((route) => route['x-right'] !== undefined);

  /** @returns the status, and the code of a refusal. */
  async function ask({ method, path }: Route, authorization?: string): Promise<{ status: number; code?: string }> {
    const target = path.replaceAll(/\{\w+\}/g, '019a2b3c-4d5e-7f60-8a9b-0c1d2e3f4a5b');
    const answer = await fetch(`${start().url}${target}`, {
      method,
      headers: {
        ...(method !== 'GET' && { 'Content-Type': 'application/json' }),
        ...(authorization && { Authorization: authorization }),
      },
      ...(method !== 'GET' && { body: '{}' }),
    });
    if (answer.headers.get('content-type')?.includes('problem'))
      return { status: answer.status, code: ((await answer.json()) as { code: string }).code };
    await answer.body?.cancel(); // the stream of events does not end
    return { status: answer.status };
  }
  const machine = async (...roles: string[]) => `Bearer ${await start().issuer.tokenFor('service', { roles })}`;

  describe(`the routes of ${app}`, () => {
    test('each declare a right or a visitor’s token, or are on the list of open routes', async () => {
      const bare = (await listRoutes()).filter((route) => route['x-right'] === undefined && !route.security?.length);
      expect(bare.map(({ method, path }) => `${method} ${path}`).sort()).toEqual([...open].sort());
    });

    test('each have a name of their own that a generator makes a function of, a tag, words, and what they answer', async () => {
      const routes = await listRoutes();
      const names = routes.map(({ operationId = '' }) => operationId);
      expect(names.filter((name) => !/^[a-z]+([A-Z][a-z]*)*$/.test(name))).toEqual([]);
      expect(names.filter((name, at) => names.indexOf(name) !== at)).toEqual([]);
      const documents = routes.map(({ method, path, tags, summary, description, responses }) => {
        const statuses = Object.keys(responses);
        const refusals = Object.entries(responses).filter(([status]) => Number(status) >= 400);
        return {
          route: `${method} ${path}`,
          lacks: [
            tags?.length !== 1 && 'a tag',
            !summary && 'a summary',
            !description && 'a description',
            !statuses.some((status) => status.startsWith('2')) && 'an answer',
            !responses[422] && 'a refusal of what is not valid',
            refusals.some(
              ([status, { content }]) =>
                !content?.['application/problem+json']?.schema.$ref?.endsWith(`/Problem${status}`),
            ) && 'the codes of a refusal',
          ].filter(Boolean),
        };
      });
      expect(documents.filter(({ lacks }) => lacks.length > 0)).toEqual([]);
    });

    test('require only scopes that the app lists, and each listed scope opens a route or shows events', async () => {
      const rights = new Set((await listGuarded()).map((route) => route['x-right'] as string));
      const asked = [...rights].filter((right) => !isPersonal(right));
      expect(asked.filter((scope) => !scopesHere.includes(scope))).toEqual([]);
      const ofRecords: string[] = Object.values(ofEvents);
      expect(scopesHere.filter((scope) => !rights.has(scope) && !ofRecords.includes(scope))).toEqual([]);
    });

    test('stream events of which each kind has a scope that reads it, but for custom values, which would need one of three', async () => {
      const superuser = await start().database.connect('postgres');
      const { rows } = await superuser.query<{ name: string }>(
        'select name from sync.entities where sync.may_read($1, audience) order by name',
        [app],
      );
      expect(rows.length).toBeGreaterThan(5);
      expect(rows.filter(({ name }) => name !== 'custom_value' && !(name in ofEvents))).toEqual([]);
      expect(Object.values(ofEvents).filter((scope) => !scopesHere.includes(scope))).toEqual([]);
    });

    test('name their scope in the OpenAPI document', async () => {
      for (const { method, path, security, 'x-right': right = '' } of await listGuarded()) {
        const named = isPersonal(right) ? [] : [right];
        expect([method, path, security?.[0]]).toEqual([method, path, { access_token: named }]);
      }
    });

    test('refuse a stranger, and a machine without a scope', async () => {
      const bare = await machine();
      for (const route of await listGuarded()) {
        expect([route.path, await ask(route)]).toEqual([route.path, { status: 401, code: 'not-signed-in' }]);
        expect([route.path, (await ask(route, bare)).status]).toEqual([route.path, 403]);
      }
    });

    test('refuse a machine that lacks only their scope, and let in one that has only their scope', async () => {
      for (const route of await listGuarded()) {
        const right = route['x-right'] as string;
        const isForPeople = isPersonal(right);
        const others = await ask(route, await machine(...everyScope.filter((scope) => scope !== right)));
        const code = isForPeople ? 'person-only' : 'token-lacks-scope';
        expect([route.method, route.path, others]).toEqual([route.method, route.path, { status: 403, code }]);
        if (isForPeople) continue;
        const { status } = await ask(route, await machine(right));
        expect([route.method, route.path, [401, 403, 500].includes(status)]).toEqual([route.method, route.path, false]);
      }
    });

    test('refuse a reader what changes something, but for those that say that they change nothing or what is the reader’s own', async () => {
      const { database, headersOf } = start();
      const { Authorization } = await headersOf('maya');
      const foundation = await database.connect('foundation_app');
      const refusals: Record<string, string> = { steward: 'steward-only', administrator: 'admin-only' };
      await foundation.query(`update platform.users set role = 'reader' where id = 'maya'`);
      try {
        for (const route of (await listGuarded()).filter(({ path }) => !path.startsWith('/signin/out'))) {
          const { 'x-right': right = '', 'x-readers': open, method, path } = route;
          const { status, code } = await ask(route, Authorization);
          const codes = refusals[right] ? [refusals[right]] : ['readers-only-read', 'steward-only', 'admin-only'];
          const isClosed = right in refusals || (method !== 'GET' && !open);
          const isAsSaid = isClosed
            ? status === 403 && codes.includes(code ?? '')
            : code !== 'readers-only-read' && ![401, 500].includes(status);
          expect([method, path, isAsSaid || { status, code }]).toEqual([method, path, true]);
        }
      } finally {
        await foundation.query(`update platform.users set role = 'user' where id = 'maya'`);
      }
    });

    test('of administrators refuse every other person, and those of stewards everybody but these and administrators', async () => {
      const { database, headersOf } = start();
      const { Authorization } = await headersOf('maya');
      const foundation = await database.connect('foundation_app');
      const refusals = { steward: 'steward-only', administrator: 'admin-only' } as const;
      const routes = (await listGuarded()).filter((each) => (each['x-right'] as string) in refusals);
      for (const route of routes)
        expect([route.path, await ask(route, Authorization)]).toEqual([
          route.path,
          { status: 403, code: refusals[route['x-right'] as keyof typeof refusals] },
        ]);
      await foundation.query(`update platform.users set role = 'steward' where id = 'maya'`);
      try {
        for (const route of routes) {
          const { status, code } = await ask(route, Authorization);
          const isRefused = status === 403 && code === 'admin-only';
          expect([route.path, isRefused || status]).toEqual([
            route.path,
            route['x-right'] === 'administrator'
              ? true
              : expect.toSatisfy((each) => ![401, 403, 500, true].includes(each)),
          ]);
        }
      } finally {
        await foundation.query(`update platform.users set role = 'user' where id = 'maya'`);
      }
    });
  });
}
