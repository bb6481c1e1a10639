import { expect, test } from 'vitest';
import { cutQuoted, markerLine, readMail } from './reading.ts';
import { compose } from './testing.ts';

const quoted = `> ${markerLine}\n>\n> Priya Nair:\n> Which size?\n`;

test.each([
  ['English', `Size 42.\n\nOn Fri, 1 Nov 2026 at 10:00, Support <help@shop.example> wrote:\n${quoted}`],
  [
    'German over two lines',
    `Size 42.\n\nAm Fr., 1. Nov. 2026 um 10:00 Uhr schrieb Support\n<help@shop.example>:\n\n${quoted}`,
  ],
  ['Japanese', `Size 42.\n\n2026年11月1日(金) 10:00 Support <help@shop.example>：\n${quoted}`],
  [
    'Outlook in Spanish',
    `Size 42.\n\n________________________________\nDe: Support <help@shop.example>\nEnviado: viernes\nPara: ann@x.example\nAsunto: Your conversation\n\n${markerLine}\n\nPriya Nair:\nWhich size?`,
  ],
  ['without our line', `Size 42.\n\nOn Fri, 1 Nov 2026, Support <help@shop.example> wrote:\n\n> Which size?\n>\n`],
  ['a signature', `Size 42.\n\n-- \nAnn\nSent from my telephone`],
])('what a mail quotes is cut off: %s', (_, text) => {
  expect(cutQuoted(text)).toBe('Size 42.');
});

test.each([
  ['an answer below what is quoted', `${quoted}\nSize 42.`, 'Size 42.'],
  ['a sentence that ends with a colon', `My sizes:\n42 and 43`, 'My sizes:\n42 and 43'],
  [
    'a quotation in the middle',
    `> Which size?\n\nSize 42.\n\n> Which colour?\n\nBlue.`,
    `> Which size?\n\nSize 42.\n\n> Which colour?\n\nBlue.`,
  ],
  ['the last sentence before our line', `See the list:\n${quoted}`, 'See the list:'],
])('what a person wrote is not cut off: %s', (_, text, said) => {
  expect(cutQuoted(text)).toBe(said);
});

const token = 'a'.repeat(32);

test('a mail is found by the address for answers, then by the mails it refers to, the nearest first, and never by its subject', async () => {
  const [one, two] = ['b'.repeat(32), 'c'.repeat(32)];
  const raw = await compose({
    from: 'ann@x.example',
    to: `help+${token.toUpperCase()}@shop.example`,
    subject: `Re: ${'d'.repeat(32)}`,
    references: `<${one}@shop.example> <foreign@x.example> <${two}@shop.example>`,
    text: `<${'e'.repeat(32)}@shop.example>`,
  });
  expect((await readMail(raw, { replyTo: 'help+{token}@shop.example' })).tokens).toEqual([token, two, one]);
  expect((await readMail(raw)).tokens).toEqual([two, one]);
  expect(
    (await readMail(raw, { recipient: `help+${one}@shop.example`, replyTo: 'help+{token}@shop.example' })).tokens[0],
  ).toBe(one);
});

test.each([
  ['Auto-Submitted', 'auto-replied', 'automatic'],
  ['Auto-Submitted', 'no', 'person'],
  ['Precedence', 'bulk', 'automatic'],
  ['X-Auto-Response-Suppress', 'All', 'automatic'],
  ['X-Auto-Response-Suppress', 'RN, NRN', 'person'],
  ['List-Id', '<news.x.example>', 'automatic'],
])('%s: %s is of a %s', async (name, value, kind) => {
  const raw = await compose({ from: 'ann@x.example', to: 'help@shop.example', text: 'x', headers: { [name]: value } });
  expect((await readMail(raw)).kind).toBe(kind);
});

test('a mail of HTML alone has words, and one of nonsense has none and does no harm', async () => {
  const raw = await compose({
    from: 'ann@x.example',
    to: 'help@shop.example',
    html: '<p>Size <b>42</b></p><script>x()</script>',
  });
  expect((await readMail(raw)).said).toBe('Size 42');
  for (const bytes of [
    Buffer.alloc(0),
    Buffer.alloc(5_000, 0xff),
    Buffer.from('Content-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\n--x'),
  ])
    expect(await readMail(bytes)).toMatchObject({ tokens: [], said: expect.any(String) });
});
