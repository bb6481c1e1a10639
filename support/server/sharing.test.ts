import { beforeAll, describe, expect, test } from 'vitest';
import { startTestSupport, type TestSupport } from './testing.ts';
import { visit } from './visitors/testing.visitor.ts';

let app: TestSupport;
let unique = 0;
beforeAll(async () => {
  app = await startTestSupport();
});

describe('sharing with the CRM', () => {
  test('is decided by administrators alone, and seen by every agent', async () => {
    const asAdmin = app.callAs('admin');
    const { sharing } = (await asAdmin('GET', '/api/sharing')).body;
    expect(sharing).toEqual([
      { what: 'conversations', readers: 'nobody', version: 1 },
      { what: 'calls', readers: 'nobody', version: 1 },
    ]);
    expect((await asAdmin('PATCH', '/api/sharing/calls', { readers: 'managers', expected_version: 1 })).body).toEqual({
      what: 'calls',
      readers: 'managers',
      version: 2,
    });
    expect(await asAdmin('PATCH', '/api/sharing/calls', { readers: 'everybody', expected_version: 1 })).toMatchObject({
      status: 409,
      body: { code: 'sharing-version-conflict' },
    });
    expect(await app.callAs('priya')('PATCH', '/api/sharing/calls', { readers: 'everybody' })).toMatchObject({
      status: 403,
      body: { code: 'admin-only' },
    });
    expect((await app.callAs('priya')('GET', '/api/sharing')).body.sharing[1].readers).toBe('managers');
    expect((await asAdmin('PATCH', '/api/sharing/calls', { readers: 'friends' })).status).toBe(422);
    expect((await asAdmin('PATCH', '/api/sharing/deals', { readers: 'nobody' })).status).toBe(422);
  });
});

describe('what the browser knows of a visitor', () => {
  const knownOf = async (email: string) =>
    (
      await app.support.query('select preferred_language, timezone from platform.customers where email_key = $1', [
        email,
      ])
    )[0];

  test('stands in the record that the chat makes', async () => {
    await visit(app, { email: 'new@known.example', name: 'New', language: 'pt-br', time_zone: 'America/Sao_Paulo' });
    expect(await knownOf('new@known.example')).toEqual({ preferred_language: 'pt-BR', timezone: 'America/Sao_Paulo' });
  });

  test('changes nothing of a customer whose address was only typed', async () => {
    await app.support.createCustomer({ name: 'Old', email: 'old@known.example' });
    await visit(app, { email: 'old@known.example', name: 'Old', language: 'pt-BR', time_zone: 'America/Sao_Paulo' });
    expect(await knownOf('old@known.example')).toEqual({ preferred_language: null, timezone: null });
  });

  // A chat with a known address would go on: a refusal would tell the two apart.
  test.each([
    ['a language that no record can have', { language: 'sh-aaaaaaaa-bbbbbbbb-cccccccc-ddddd' }, null],
    ['a language with its calendar and numerals', { language: 'en-US-u-ca-buddhist-nu-thai' }, 'en-US'],
    ['an offset as the time zone', { time_zone: '+05:30' }, null],
  ])('does not refuse a person who is not known yet for %s', async (_, given, preferred_language) => {
    const email = `odd${++unique}@known.example`;
    await visit(app, { email, name: 'Odd', ...given });
    expect(await knownOf(email)).toEqual({ preferred_language, timezone: null });
  });

  test('that is no language is left out', async () => {
    await visit(app, { email: 'odd@known.example', name: 'Odd', language: 'abcd', time_zone: 'Europe/Oslo' });
    expect(await knownOf('odd@known.example')).toEqual({ preferred_language: null, timezone: 'Europe/Oslo' });
  });
});
