import { sample } from '@aether/database/testing.sample';
import { findFaults, findGaps } from '@aether/http/testing.hostile';
import { beforeAll, expect, test } from 'vitest';
import { startTestSupport, type TestSupport, widgetKey } from './testing.ts';

let app: TestSupport;
beforeAll(async () => {
  app = await startTestSupport();
});

test('no input causes a 5xx, an answer that is not JSON, a message of the database, or an unlisted status', {
  timeout: 60_000,
}, async () => {
  const { body } = await app.call('POST', `/api/widgets/${widgetKey}/sessions`, {
    email: 'target@example.com',
    name: 'Target',
  });
  const attack = (headers: Record<string, string>) =>
    findFaults(app.url, {
      runs: sample(400),
      headers,
      likely: {
        id: body.session_id,
        key: widgetKey,
        email: 'other@example.com',
        name: 'A name',
        client_id: 'one',
        body: 'Text',
      },
    });
  expect(await attack({ Authorization: `Bearer ${body.visitor_token}` })).toEqual([]);
  expect(await attack(await app.headersOf('priya'))).toEqual([]);
});

test('the OpenAPI document lists the refusals that come before a route is reached, and says how to authenticate', async () => {
  expect(await findGaps(app.url)).toEqual([]);
});
