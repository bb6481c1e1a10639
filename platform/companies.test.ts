import { createTestDatabase } from '@aether/database/testing';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { AlreadyExists, connectPlatform, InvalidField, type PlatformDb } from './index.ts';

let db: PlatformDb;
beforeAll(async () => {
  const database = await createTestDatabase();
  db = await connectPlatform({ app: 'foundation', variables: { PLATFORM_DB_URL: database.url('foundation_app') } });
});
afterAll(() => db.close());

describe('a company’s domain', () => {
  test('has one canonical form for all its spellings, the same as in the addresses of its people', async () => {
    const made = await db.createCompany({ name: 'Stadtwerke', domain: ' München.DE. ' });
    expect(made.domain).toBe('xn--mnchen-3ya.de');
    for (const domain of [
      'münchen.de',
      'MÜNCHEN.DE',
      'xn--mnchen-3ya.de',
      'mu\u0308nchen.de.',
      'münchen。de',
      'www.münchen.de',
      ' https://www.München.de/kontakt?von=a@b.de#hier',
    ]) {
      expect((await db.getCompanyByDomain(domain))?.id).toBe(made.id);
      expect(await db.findOrCreateCompany({ name: 'Again', domain })).toMatchObject({
        created: false,
        company: { id: made.id },
      });
      await expect(db.createCompany({ name: 'Twin', domain })).rejects.toThrow(AlreadyExists);
    }
    const moved = await db.updateCompany(made.id, { domain: 'Stadtwerke-München.de' });
    expect(moved.domain).toBe('xn--stadtwerke-mnchen-e3b.de');
    expect((await db.updateCompany(made.id, { name: 'SWM' })).domain).toBe(moved.domain);
    expect((await db.updateCompany(made.id, { domain: null })).domain).toBeNull();
  });

  test('is what is left of a website, unless nothing would be', async () => {
    for (const [typed, domain] of [
      ['http://shop.Example.com', 'shop.example.com'],
      ['HTTPS://WWW.Example.NET/', 'example.net'],
      ['www.com', 'www.com'],
      ['wwwx.example.com', 'wwwx.example.com'],
    ] as const)
      expect((await db.createCompany({ name: 'A site', domain: typed })).domain).toBe(domain);
  });

  test.each([
    'https://',
    'https://10.0.0.1/',
    'https://example.com:80/',
    'https://a@example.com',
    'ftp://example.com',
    '10.0.0.1',
    '0x7f.1',
    'a.--',
    'example',
    'two words.example',
    'example.com:80',
    'a@example.com',
    '',
    '..',
  ])('is refused by name if it is no domain, and finds no company: %j', async (domain) => {
    const refused = { fields: [{ field: 'domain', message: 'must be a domain such as example.com' }] };
    await expect(db.createCompany({ name: 'None', domain })).rejects.toMatchObject(refused);
    await expect(db.findOrCreateCompany({ name: 'None', domain })).rejects.toMatchObject(refused);
    const company = await db.createCompany({ name: 'None' });
    await expect(db.updateCompany(company.id, { domain })).rejects.toThrow(InvalidField);
    expect(await db.getCompanyByDomain(domain)).toBeNull();
  });
});
