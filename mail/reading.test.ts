import { expect, test } from 'vitest';
import { readAside, UnreadableMail } from './aside.ts';
import { textOfHtml } from './html.ts';
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

test('a mail that is made to keep us busy takes no longer than another of its size', async () => {
  const began = performance.now();
  textOfHtml('<a '.repeat(300_000));
  textOfHtml('<'.repeat(300_000));
  const headers = 'To: c@x.example\nDate: x\n\n> Which size?';
  cutQuoted(`${'-'.repeat(20_000)}\rx\nFrom: a@x.example\n${headers}`);
  cutQuoted(`${' '.repeat(300_000)}!\n${headers}`);
  // Each of them took minutes and more.
  expect(performance.now() - began).toBeLessThan(20_000);
});

test('a mail whose part of text is empty has the words of its HTML', async () => {
  const part = (type: string, words: string) => `--b\r\nContent-Type: text/${type}\r\n\r\n${words}\r\n`;
  const raw = `From: ann@x.example\r\nContent-Type: multipart/alternative; boundary=b\r\n\r\n${part('plain', ' \r\n')}${part('html', '<p>Size 42</p>')}--b--`;
  expect((await readMail(Buffer.from(raw))).said).toBe('Size 42');
});

test('a large mail is read in a thread of its own, as a small one is, and one that cannot be read is refused', async () => {
  const raw = await compose({
    from: 'ann@x.example',
    to: `help+${token}@shop.example`,
    text: 'Size 42',
    attachments: [{ filename: 'foot.bin', content: Buffer.alloc(100_000, 7) }],
  });
  const options = { replyTo: 'help+{token}@shop.example', withFiles: true };
  expect(await readAside(raw, options)).toEqual(await readMail(raw, options));
  expect((await readAside(raw, options)).files).toMatchObject([{ name: 'foot.bin', bytes: { length: 100_000 } }]);
  const parts = '--b\r\nContent-Type: image/png\r\n\r\nx\r\n'.repeat(5_000);
  const many = Buffer.from(`From: ann@x.example\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n${parts}--b--`);
  const read = await readAside(many, options);
  expect([read.files.length, read.attachments.length, read.attachmentCount]).toEqual([40, 100, 5_000]);
  const deep = Array.from(
    { length: 60 },
    (_, at) => `Content-Type: multipart/mixed; boundary=b${at}\r\n\r\n--b${at}\r\n`,
  );
  for (const size of [0, 100_000])
    await expect(readAside(Buffer.from(deep.join('') + 'x'.repeat(size)))).rejects.toThrow(UnreadableMail);
});

test('two mails whose Message-ID is empty are two', async () => {
  const keyOf = async (words: string) => (await readMail(Buffer.from(`Message-ID: <>\r\n\r\n${words}`))).key;
  expect((await keyOf('one')).equals(await keyOf('two'))).toBe(false);
  expect((await keyOf('one')).equals(await keyOf('one'))).toBe(true);
});

test('a report is about the mail whose headers it gives back, and not about the mails before that one', async () => {
  const [before, about] = ['b'.repeat(32), 'c'.repeat(32)];
  const lines = [
    'From: mailer-daemon@post.example',
    'Message-ID: <1@post.example>',
    'Content-Type: multipart/report; report-type=delivery-status; boundary=b',
    '',
    '--b',
    'Content-Type: message/delivery-status',
    '',
    'Action: failed',
    'Status: 5.1.1',
    '',
    '--b',
    'Content-Type: text/rfc822-headers',
    '',
    `In-Reply-To: <${before}@shop.example>`,
    `References: <${before}@shop.example>`,
    `Message-ID: <${about}@shop.example>`,
    '--b--',
  ];
  expect((await readMail(Buffer.from(lines.join('\r\n')))).bounce?.tokens[0]).toBe(about);
});
