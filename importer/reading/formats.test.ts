import { fileURLToPath } from 'node:url';
import { toCell } from '@aether/platform/spreadsheet';
import { describe, expect, test } from 'vitest';
import { readCompanions } from './companions.ts';
import { recognise } from './recognition.ts';
import { openSource } from './source.ts';
import { personsOf, readAll, readText } from './testing.reading.ts';

const fixture = (name: string): string => fileURLToPath(new URL(`./fixtures/${name}`, import.meta.url));
const withZone = { answers: { timezone: 'Europe/Berlin' }, phoneCountry: 'DE' };

test.each([
  ['hubspot.en.csv', 'hubspot'],
  ['hubspot.de.csv', 'hubspot'],
  ['hubspot.fr.csv', 'hubspot'],
  ['hubspot.ja.csv', 'hubspot'],
  ['hubspot.renamed.csv', 'hubspot'],
  ['salesforce/Contact.csv', 'salesforce'],
  ['salesforce/Account.csv', 'salesforce-accounts'],
  ['salesforce/User.csv', 'salesforce-users'],
  ['zendesk.jsonl', 'zendesk'],
  ['zendesk.users.json', 'zendesk'],
  ['zendesk.csv', 'zendesk'],
  ['intercom.json', 'intercom'],
  ['freshdesk.json', 'freshdesk'],
  ['pipedrive.csv', 'pipedrive'],
  ['zoho.csv', 'zoho'],
  ['chatwoot.csv', 'chatwoot'],
  ['google.old.csv', 'google'],
  ['google.new.csv', 'google'],
  ['outlook.csv', 'outlook'],
  ['dynamics.csv', 'dynamics'],
  ['vcard4.vcf', 'vcard'],
  ['vcard21.vcf', 'vcard'],
])('%s is recognised without being told, by its content alone', async (name, format) => {
  const recognition = await recognise(await openSource(fixture(name), { name: 'upload' }));
  expect(recognition.format).toBe(format);
  expect(recognition).toEqual(JSON.parse(JSON.stringify(recognition)));
});

test('a list of customers that no program is known for is no known format', async () => {
  const { recognition } = await readText('id,name,email,phone\n1,Ann Lee,ann@example.com,+49 30 1234567\n');
  expect(recognition.format).toBeNull();
  expect(recognition.mapping).toEqual({ id: 'id', name: 'name', email: 'email', phone: 'phone' });
});

test('HubSpot: additional addresses follow the primary one, ids keep their digits, the zone of times is asked', async () => {
  const { recognition, rows } = await readAll(fixture('hubspot.en.csv'), withZone);
  const [maria, , noemi] = personsOf(rows);
  expect(maria?.emails.map(({ key }) => key)).toEqual([
    'emailmaria@example.com',
    'maria.j@example.org',
    'mj@example.net',
  ]);
  expect(maria?.createdAt?.toISOString()).toBe('2023-01-05T08:30:00.000Z');
  expect(noemi).toMatchObject({ externalId: '10024118151', emails: [], company: { name: 'Norte, S.L.' } });
  expect(recognition.questions).toMatchObject([{ kind: 'timezone', columns: ['Create Date'] }]);
});

test('HubSpot: without an answer about the zone, no time is guessed and each has a remark', async () => {
  const { rows } = await readAll(fixture('hubspot.en.csv'));
  for (const { createdAt, remarks } of personsOf(rows)) {
    expect(createdAt).toBeNull();
    expect(remarks).toMatchObject([{ column: 'Create Date', code: 'no-zone' }]);
  }
});

test.each([
  ['hubspot.de.csv', ['Vorname', 'Nachname', 'E-Mail-Adresse', 'Kontakt-Inhaber']],
  ['hubspot.fr.csv', ['Prénom', 'Nom', 'Adresse e-mail', 'Propriétaire du contact']],
  ['hubspot.ja.csv', ['名', '姓', 'Eメール', 'コンタクト担当者']],
])('%s: the columns of its language have their meaning', async (name, columns) => {
  const { recognition } = await readAll(fixture(name));
  expect(columns.map((column) => recognition.mapping[column])).toEqual(['first_name', 'last_name', 'email', 'owner']);
});

describe('Salesforce', () => {
  test('deleted and merged records become no customers, and ids that differ in capitals stay two people', async () => {
    const { rows } = await readAll(fixture('salesforce/Contact.csv'));
    expect(rows.map((row) => (row.kind === 'person' ? row.person.externalId : row.code))).toEqual([
      '0031t00000AbCdEAAV',
      'deleted',
      'merged',
      '0031t00000AbCdHAAV',
      '0031t00000abCdHAAU',
    ]);
  });

  test('companies and owners come by their id from the lists beside it, in either form of the id', async () => {
    const lists = await Promise.all(
      ['salesforce/Account.csv', 'salesforce/User.csv'].map(async (name) => {
        const source = await openSource(fixture(name));
        return { source, recognition: await recognise(source) };
      }),
    );
    const companions = await readCompanions(lists);
    const { rows } = await readAll(fixture('salesforce/Contact.csv'), { companions });
    const people = rows.flatMap((row) => (row.kind === 'person' ? [row.person] : []));
    expect(people.map(({ company, owner }) => [company?.name ?? null, company?.domain ?? null, owner])).toEqual([
      ['Gelato S.p.A.', 'gelato-roma.it', 'dana@vendor.example'],
      ['Braun Bau', null, 'dana@vendor.example'],
      [null, null, 'dana@vendor.example'],
    ]);
  });
});

test.each(['zendesk.jsonl', 'zendesk.users.json'])(
  'Zendesk (%s): agents and deleted people become no customers, ids of 19 digits are exact, a shared number says so',
  async (name) => {
    const { rows } = await readAll(fixture(name));
    expect(rows.map(({ kind }) => kind)).toEqual(['person', 'excluded', 'person', 'person', 'excluded']);
    const [mette, , desk] = rows.map((row) => (row.kind === 'person' ? row.person : undefined));
    expect(mette).toMatchObject({
      externalId: '9000000000000000001',
      timezone: 'Europe/Copenhagen',
      tags: ['vip', 'beta'],
      remarks: [],
    });
    expect(mette?.createdAt?.toISOString()).toBe('2021-02-03T04:05:06.000Z');
    expect(desk).toMatchObject({ emails: [], phones: [{ key: '+4533000000', isShared: true }] });
  },
);

test('Zendesk CSV: a Rails name of a zone becomes its IANA name, with a remark', async () => {
  const { rows } = await readAll(fixture('zendesk.csv'));
  expect(rows[0]).toMatchObject({ person: { timezone: 'Africa/Algiers', remarks: [{ code: 'rails-zone' }] } });
  expect(rows[1]).toMatchObject({ kind: 'excluded', code: 'agent' });
});

test('Intercom: epoch seconds are times, tags and companies come from their lists, a lead without an address is kept', async () => {
  const [ada, lead] = personsOf((await readAll(fixture('intercom.json'))).rows);
  expect(ada).toMatchObject({ tags: ['paying'], company: { name: 'Analytical Engines' }, city: 'Dublin' });
  expect(ada?.createdAt?.toISOString()).toBe('2019-10-21T15:35:54.000Z');
  expect(lead).toMatchObject({ name: 'Yellow Guitar from Berlin', emails: [] });
});

test('Freshdesk: other addresses follow, several numbers of a cell are several numbers', async () => {
  const { rows } = await readAll(fixture('freshdesk.json'), withZone);
  const [rachel] = personsOf(rows.slice(0, 1));
  expect(rachel?.emails).toHaveLength(3);
  expect(rachel?.phones.map(({ key }) => key)).toEqual(['+491717654321', '+49307654321', '+49307654322']);
  expect(rows[1]).toMatchObject({ kind: 'excluded', code: 'deleted' });
});

test('Pipedrive: the header is in row two, the order of day and month follows from all rows, money stays text', async () => {
  const { recognition, rows } = await readAll(fixture('pipedrive.csv'), {
    mapping: { 'Deal - Value': 'custom:deal_value' },
    answers: { timezone: 'UTC' },
  });
  expect(recognition.layout).toMatchObject({ headerLine: 2 });
  const [otto, lia] = personsOf(rows);
  expect(otto).toMatchObject({ line: 3, name: 'Otto Mann', custom: { deal_value: '$1,200.00' } });
  expect(otto?.createdAt?.toISOString()).toBe('2023-03-14T09:00:00.000Z');
  expect(lia?.createdAt?.toISOString()).toBe('2023-04-05T13:30:00.000Z');
  expect(lia?.custom).toEqual({ deal_value: '€ 3.400,50' });
});

test('Zoho: ids of 19 digits stay as they are, the company has its id', async () => {
  const [kofi] = personsOf((await readAll(fixture('zoho.csv'))).rows);
  expect(kofi).toMatchObject({
    externalId: 'zcrm_3652397000000649013',
    company: { externalId: 'zcrm_3652397000000649001', name: 'Accra Foods' },
    emails: [{ key: 'kofi@example.com' }, { key: 'kofi2@example.org' }],
  });
});

test('Chatwoot: a row with a cell too few is rejected and moves nothing into another column', async () => {
  const { rows } = await readAll(fixture('chatwoot.csv'));
  expect(rows.map(({ kind }) => kind)).toEqual(['person', 'rejected', 'person']);
  expect(rows[1]).toMatchObject({
    line: 3,
    code: 'ragged',
    raw: '2,Marieann Creegan,mcreegan1@example.com,,+918080808082,b2,Acme',
  });
});

test('Google: several values of a cell are apart, and the star of the default is no part of a label', async () => {
  const [ann, bo] = personsOf((await readAll(fixture('google.old.csv'), { phoneCountry: 'GB' })).rows);
  expect(ann?.emails.map(({ key }) => key)).toEqual(['ann@example.com', 'ann.lee@example.org', 'ann@work.example']);
  expect(ann?.phones.map(({ key }) => key)).toEqual(['+447911123456', '+442079460018']);
  expect(ann?.tags).toEqual(['myContacts', 'Friends']);
  expect(bo?.remarks).toMatchObject([{ code: 'bad-date', cell: '--04-01' }]);
});

test('Outlook: an address of Exchange is no e-mail address and has a remark; 0/0/00 is no birthday', async () => {
  const [ida, max] = personsOf((await readAll(fixture('outlook.csv'), { phoneCountry: 'DE' })).rows);
  expect(ida?.emails.map(({ key }) => key)).toEqual(['ida@example.com']);
  expect(ida).toMatchObject({ birthDate: null, remarks: [{ column: 'E-mail Address', code: 'exchange-address' }] });
  expect(max?.birthDate).toBe('1981-03-25');
});

test('Dynamics: the id is in the first hidden column, whatever the language of its heading', async () => {
  const [yvonne] = personsOf((await readAll(fixture('dynamics.csv'))).rows);
  expect(yvonne?.externalId).toBe('465b158c-541c-e511-80d3-3863bb347ba8');
});

describe('vCard', () => {
  test('version 4: the preferred address is first, folded lines are one, a group is no person', async () => {
    const { rows } = await readAll(fixture('vcard4.vcf'));
    expect(rows[0]).toMatchObject({
      person: {
        name: 'Simon Perreault',
        emails: [{ key: 'simon.perreault@example.com' }, { key: 'simon@home.example' }],
        phones: [{ key: '+14186569254', extension: '102' }],
        birthDate: '1975-02-03',
        notes: ['one\ntwo'],
      },
    });
    expect(rows[1]).toMatchObject({ kind: 'excluded', code: 'not-a-person' });
  });

  test('version 2.1: quoted-printable is read, a guessed character set has a remark, a card without an end costs itself alone', async () => {
    const { rows } = await readAll(fixture('vcard21.vcf'));
    expect(rows.map(({ line, kind }) => [line, kind])).toEqual([
      [1, 'person'],
      [12, 'rejected'],
      [16, 'person'],
      [22, 'person'],
    ]);
    expect(rows[0]).toMatchObject({ person: { name: 'Jürgen Groß', firstName: 'Jürgen', remarks: [] } });
    expect(rows[3]).toMatchObject({ person: { lastName: 'Müller', remarks: [{ code: 'guessed-charset' }] } });
  });
});

test('a file of customers that Foundation writes is read as the same customers, whatever sign their texts begin with', async () => {
  const names = ['=1+1', '+cmd', '-Ali', '@x', "'=y", "'quoted'", 'Ann'];
  const head =
    'id,email,name,phone,company,domain,tier,owner,created_at,crm_id,support_id,created_by_app,other_emails,custom:lead_source';
  const line = (name: string, at: number) =>
    `c${at},a${at}@example.com,"${toCell(name)}","${toCell('+49 30 1234567')}",,,gold,,2024-01-02T03:04:05.000Z,7,,foundation,b${at}@example.com; c${at}@example.com,${toCell('-x')}`;
  const { recognition, rows } = await readText(`\ufeff${head}\r\n${names.map(line).join('\r\n')}\r\n`);
  expect(recognition).toMatchObject({ format: 'aether', questions: [] });
  const people = personsOf(rows);
  expect(people.map(({ name }) => name)).toEqual(names);
  expect(people[0]).toMatchObject({
    emails: [{ key: 'a0@example.com' }, { key: 'b0@example.com' }, { key: 'c0@example.com' }],
    phones: [{ written: '+49 30 1234567', key: '+49301234567' }],
    tier: 'gold',
    custom: { lead_source: '-x' },
    remarks: [],
  });
});

test('an apostrophe before a formula in a list of another program is left out with a remark', async () => {
  const { rows } = await readText("id,name,email,phone\n1,Ann,a@example.com,'+49 30 1234567\n");
  expect(personsOf(rows)).toMatchObject([
    { phones: [{ key: '+49301234567' }], remarks: [{ column: 'phone', code: 'formula-mark' }] },
  ]);
});
