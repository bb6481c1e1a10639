import { createTestDatabase, type TestDatabase } from '@aether/database/testing';
import { sample } from '@aether/database/testing.sample';
import fc from 'fast-check';
import { beforeAll, describe, expect, test } from 'vitest';
import { canonicaliseAny, canonicaliseDomain, canonicaliseEmail } from './email.ts';
import { anyText } from './testing.text.ts';

const keyOf = (input: string) => {
  const result = canonicaliseEmail(input);
  return result.ok ? result.key : `refused: ${result.reason}`;
};

describe('one address in many spellings', () => {
  test.each([
    ['ann@example.com', 'as it is'],
    ['Ann@Example.COM', 'capitals'],
    ['  ann@example.com\t', 'space around'],
    ['\u00a0ann@example.com\u3000\r\n', 'other space around'],
    ['mailto:ann@example.com', 'a link'],
    ['MAILTO:ann@example.com?subject=Hi&cc=b@example.com', 'a link with a subject'],
    ['<ann@example.com>', 'brackets'],
    ['Ann Doe <ann@example.com>', 'a name'],
    ['"Doe, Ann (Sales) <x>" <ann@example.com>', 'a quoted name with commas and brackets'],
    ['Ann <mailto:ann@example.com>', 'a name and a link'],
    ['ann@example.com.', 'the root of the domain'],
    ['a\u200bnn@exam\u00adple.com', 'zero-width space and soft hyphen'],
    ['\ufeffann@example.com\u200f', 'a byte order mark and a mark of direction'],
    ['ann\ufe0f@example.com', 'a variation selector'],
    ['ann＠example．com', 'a fullwidth @ and dot'],
    ['ann@ｅｘａｍｐｌｅ.com', 'a fullwidth domain'],
    ['ann@example。com', 'an ideographic full stop'],
  ])('has one key: %j (%s)', (input) => {
    expect(keyOf(input)).toBe('ann@example.com');
  });

  test.each([
    ['umit@bücher.example', 'umit@xn--bcher-kva.example'],
    ['umit@BÜCHER.example', 'umit@xn--bcher-kva.example'],
    ['umit@bu\u0308cher.example', 'umit@xn--bcher-kva.example'],
    ['umit@xn--bcher-kva.example', 'umit@xn--bcher-kva.example'],
    ['straße@example.com', 'straße@example.com'],
    ['STRAẞE@example.com', 'straße@example.com'],
    ['JOSE\u0301@example.com', 'josé@example.com'],
    ['ΟΔΥΣΣΕΥΣ@example.com', 'οδυσσευσ@example.com'],
    ['οδυσσευς@example.com', 'οδυσσευσ@example.com'],
    ["o'brien+news@example.co.uk", "o'brien+news@example.co.uk"],
    ['用户@例え.jp', '用户@xn--r8jz45g.jp'],
    ['a@1and1.com', 'a@1and1.com'],
    ['a@نامه\u200cای.com', 'a@xn--mgba3gch31f060k.com'],
    ['a@xn--mgba3gch31f060k.com', 'a@xn--mgba3gch31f060k.com'],
    ['<a@نامه\u200c\u200bای.com>', 'a@xn--mgba3gch31f060k.com'],
    ['a@exam\u200cple.com', 'a@example.com'],
    ['a\u200db@example.com\u200c', 'ab@example.com'],
  ])('%j has the key %j', (input, key) => {
    expect(keyOf(input)).toBe(key);
  });
});

test.each([
  ['ann@example.com', 'ann+tag@example.com', 'a plus-tag'],
  ['ann.doe@gmail.com', 'anndoe@gmail.com', 'a dot'],
  ['ann@gmail.com', 'ann@gmial.com', 'a domain that looks alike'],
  ['ann@example.com', 'аnn@example.com', 'a Cyrillic а'],
  ['ann@strasse.example', 'ann@straße.example', 'ß and ss in a domain'],
  ['ann@نامهای.com', 'ann@نامه\u200cای.com', 'a joiner that shapes the letters of a domain'],
])('%j and %j stay apart: %s', (one, other) => {
  expect(keyOf(one)).not.toBe(keyOf(other));
});

test.each([
  ['', 'empty'],
  [' \u200b ', 'empty'],
  ['<>', 'empty'],
  ['ann', 'no-at'],
  ['@example.com', 'no-at'],
  ['ann@', 'no-at'],
  ['ann@b@example.com', 'no-at'],
  ['ann@example.com, bob@example.com', 'several'],
  ['ann@example.com;bob@example.com', 'several'],
  ['ann@example.com <bob@example.com>', 'several'],
  ['Ann <ann@example.com>, Bob <bob@example.com>', 'several'],
  ['ann>', 'several'],
  ['ann doe@example.com', 'space'],
  ['ann@exam ple.com', 'space'],
  ['ann\u0000@example.com', 'control-character'],
  ['ann@exam\nple.com', 'control-character'],
  ['Ann\u0000 <ann@example.com>', 'control-character'],
  ['mailto:ann@example.com?subject=\r\nBcc:x', 'control-character'],
  ['ann\ud800@example.com', 'malformed-text'],
  ['"ann"@example.com', 'quoted'],
  ['ann(home)@example.com', 'quoted'],
  ['ann%b.example@example.com', 'percent'],
  ['ann@%65xample.com', 'percent'],
  ['mailto:ann%40example.com', 'percent'],
  ['.ann@example.com', 'local'],
  ['ann.@example.com', 'local'],
  ['a..nn@example.com', 'local'],
  ['a:nn@example.com', 'local'],
  ['mailto://ann@example.com', 'local'],
  ['\u0338ann@example.com', 'local'],
  ['a\\nn@example.com', 'local'],
  ['\ue000@example.com', 'local'],
  ['ann@[127.0.0.1]', 'ip-address'],
  ['ann@[IPv6:::1]', 'ip-address'],
  ['ann@127.0.0.1', 'ip-address'],
  ['ann@1.2.3', 'ip-address'],
  ['ann@2130706433', 'ip-address'],
  ['ann@0x7f.1', 'ip-address'],
  ['ann@１２７.0.0.1', 'domain'],
  ['ann@example', 'domain'],
  ['ann@localhost', 'domain'],
  ['ann@example.com:25', 'domain'],
  ['ann@example.com/path', 'domain'],
  ['ann@example.com#x', 'domain'],
  ['ann@exa_mple.com', 'domain'],
  ['ann@-example.com', 'domain'],
  ['ann@example-.com', 'domain'],
  ['ann@.example.com', 'domain'],
  ['ann@example..com', 'domain'],
  ['ann@example.com..', 'domain'],
  ['ann@example.123', 'domain'],
  ['ann@example.c', 'domain'],
  ['ann@exa％6dple.com', 'domain'],
  ['ann@ex℀mple.com', 'domain'],
  ['ann@xn--a.com', 'domain'],
  [`ann@${'a'.repeat(64)}.com`, 'domain'],
  [`${'a'.repeat(65)}@example.com`, 'too-long'],
  [`${'ä'.repeat(33)}@example.com`, 'too-long'],
  [`ann@${'a.'.repeat(126)}com`, 'too-long'],
])('%j is refused: %s', (input, reason) => {
  expect(canonicaliseEmail(input)).toMatchObject({ ok: false, reason, message: expect.stringMatching(/^(must|may) /) });
});

test('254 bytes are taken and 255 are not', () => {
  for (const name of ['a', 'é']) {
    const rest = `@${'b'.repeat(63)}.${'c'.repeat(63)}.${'d'.repeat(53)}.example`;
    const local = name.repeat((254 - rest.length) / Buffer.byteLength(name));
    expect(keyOf(local + rest)).toBe(local + rest);
    expect(Buffer.byteLength(local + rest)).toBe(254);
    expect(keyOf(`${local}${rest.replace('example', 'examples')}`)).toBe('refused: too-long');
  }
});

test('a domain that is short enough only in ASCII is shown in ASCII', () => {
  const domain = `${'用'.repeat(40)}.${'户'.repeat(40)}.${'例'.repeat(40)}.com`;
  const result = canonicaliseEmail(`Ann@${domain}`);
  expect(result).toMatchObject({ ok: true, address: expect.stringMatching(/^Ann@xn--[a-z0-9.-]+$/) });
  expect(canonicaliseEmail('Ann@用户.com')).toMatchObject({ ok: true, address: 'Ann@用户.com' });
});

test('a text that is far too long is refused at once', () => {
  for (const length of [1_001, 5_000_000])
    expect(canonicaliseEmail('x'.repeat(length))).toMatchObject({ ok: false, reason: 'too-long' });
});

describe('for any input', () => {
  const word = fc.string({
    unit: fc.constantFrom(..."abzABZ019-_+'äÄßẞşİıΣσςéñ用户КириЌ"),
    minLength: 1,
    maxLength: 12,
  });
  const label = fc.string({ unit: fc.constantFrom(...'abzABZ019äÖß用户кир', 'ب\u200cب'), minLength: 1, maxLength: 10 });
  const address = fc
    .tuple(
      fc.array(word, { minLength: 1, maxLength: 3 }),
      fc.array(label, { minLength: 1, maxLength: 3 }),
      fc.constantFrom('com', 'Example', 'рф', '中国'),
    )
    .map(([words, labels, top]) => `${words.join('.')}@${[...labels, top].join('.')}`);
  const anything = fc.oneof(
    address,
    anyText({ maxLength: 60 }),
    fc.string({
      unit: fc.constantFrom(...'a@.<>"%[]:;,\\/ \u200b\u0301\u0000＠。-_é', 'xn--', 'mailto:', '\ud800'),
      maxLength: 20,
    }),
  );
  const runs = { numRuns: sample(3_000) };

  test('canonicalising never throws, and the key and the shown address have the same key again', () => {
    fc.assert(
      fc.property(anything, (input) => {
        const result = canonicaliseEmail(input);
        if (!result.ok) return;
        expect(keyOf(result.key)).toBe(result.key);
        expect(keyOf(result.address)).toBe(result.key);
        expect(canonicaliseEmail(result.address)).toEqual(result);
        expect(Math.max(Buffer.byteLength(result.key), Buffer.byteLength(result.address))).toBeLessThanOrEqual(254);
        expect(result.key).toMatch(/^[^@\s\p{Cc}A-Z]+@(?:[a-z0-9-]+\.)+[a-z0-9-]+$/u);
        // biome-ignore lint/suspicious/noControlCharactersInRegex: all of ASCII is meant.
        if (/^[\x01-\x7f]+$/.test(result.address)) expect(result.key).toBe(result.address.toLowerCase());
      }),
      runs,
    );
  });

  test.each([undefined, null, 42, {}])('a value that is no text, from unchecked code, is refused: %j', (input) => {
    expect(canonicaliseEmail(input as never)).toMatchObject({ ok: false, reason: 'malformed-text' });
    expect(canonicaliseDomain(input as never)).toBeUndefined();
  });

  test('a domain alone has the same canonical form as in an address', () => {
    const domain = fc.oneof(fc.domain(), anyText(), fc.constantFrom('faß.de', '10.0.0.1', 'a.--', 'ＥＸ.com.'));
    fc.assert(
      fc.property(domain, (typed) => {
        const canonical = canonicaliseDomain(typed);
        if (canonical) expect(canonicaliseEmail(`a@${typed}`)).toMatchObject({ key: `a@${canonical}` });
        if (canonical) expect(canonicaliseDomain(canonical)).toBe(canonical);
        const address = /[@＠<>]|^$/.test(typed) ? undefined : canonicaliseEmail(`a@${typed}`);
        if (address?.ok) expect(canonical).toBe(address.key.slice(2));
      }),
    );
  });

  test('addresses with different plus-tags have different keys', () => {
    const tag = fc.string({ unit: fc.constantFrom(...'abz019äπ用'), minLength: 1, maxLength: 10 });
    fc.assert(
      fc.property(tag, tag, (one, other) => {
        const keys = ['ann', `ann+${one}`, `ann+${other}`].map((local) => keyOf(`${local}@example.com`));
        expect(new Set(keys).size).toBe(one === other ? 2 : 3);
      }),
    );
  });

  test('the fast path for plain addresses gives the same result as the full path', () => {
    const unit = fc.constantFrom(..."abzABZ019.-_+'K@", 'xn--', 'com', '.com', 'K');
    const plain = fc
      .tuple(fc.string({ unit, maxLength: 12 }), fc.string({ unit, maxLength: 12 }))
      .map((parts) => parts.join('@'));
    fc.assert(
      fc.property(fc.oneof(plain, address), (input) => {
        expect(canonicaliseEmail(input)).toEqual(canonicaliseAny(input));
      }),
      { numRuns: sample(10_000) },
    );
    const long = `${'a'.repeat(64)}@${'b'.repeat(60)}.${'c'.repeat(60)}.${'d'.repeat(60)}.example`;
    for (const input of [
      long,
      `a${long}`,
      long.replace('example', 'examples'),
      `a@${'b'.repeat(63)}.com`,
      `a@${'b'.repeat(64)}.com`,
    ])
      expect(canonicaliseEmail(input)).toEqual(canonicaliseAny(input));
  });

  test('wrapping, space, invisible characters, other normal forms and capitals of ASCII do not change the key', () => {
    const places = fc.array(fc.nat(), { minLength: 1, maxLength: 4 });
    fc.assert(
      fc.property(
        address,
        places,
        fc.constantFrom('\u200b', '\u00ad', '\u2060', '\ufeff', '\u202e', '\ufe0f'),
        (plain, at, mark) => {
          const key = keyOf(plain);
          let marked = plain;
          for (const place of at) {
            const characters = [...marked];
            marked = [
              ...characters.slice(0, place % characters.length),
              mark,
              ...characters.slice(place % characters.length),
            ].join('');
          }
          const capitals = plain.replace(/[a-z]/g, (letter) => letter.toUpperCase());
          for (const other of [
            marked,
            capitals,
            plain.normalize('NFD'),
            ` ${plain}\n`,
            `<${plain}>`,
            `Name <${plain}>`,
            `mailto:${plain}`,
          ])
            expect(keyOf(other)).toBe(key);
        },
      ),
      runs,
    );
  });
});

describe('the database', () => {
  let database: TestDatabase;
  beforeAll(async () => {
    database = await createTestDatabase();
  });

  test('takes every key and address that canonicaliseEmail makes', async () => {
    const support = await database.connect('support_app');
    const made = new Map([['ann@xn--mgba3gch31f060k.com', 'ann@نامه\u200cای.com']]);
    const unit = fc.constantFrom(...'aZ09+-äİΣς用\u0301\u00a8\u{1f600}ﬀ·');
    for (const [local, domain] of fc.sample(
      fc.tuple(fc.string({ unit, minLength: 1, maxLength: 15 }), fc.string({ unit, minLength: 1, maxLength: 15 })),
      1_000,
    )) {
      const result = canonicaliseEmail(`${local}@${domain}.example`);
      if (result.ok) made.set(result.key, result.address);
    }
    expect(made.size).toBeGreaterThan(200);
    const { rowCount } = await support.query(
      `insert into platform.customers (email, email_key, name) select address, key, 'N'
        from unnest($1::text[], $2::text[]) as made (key, address)`,
      [[...made.keys()], [...made.values()]],
    );
    expect(rowCount).toBe(made.size);
  });

  test('takes no other key of plain ASCII', async () => {
    const part = fc.string({ unit: fc.constantFrom(...'ab0.-_+%"(),:;<>[]\\/@xnX é'), maxLength: 8 });
    const ordinary = fc.constantFrom(
      'ann',
      'a.b',
      'x+y',
      'mailto:ann',
      '//ann',
      'example.com',
      'example.com.',
      '127.0.0.1',
      'a..b',
      'localhost',
    );
    const address = fc
      .tuple(fc.oneof(part, ordinary), fc.oneof(part, ordinary))
      .map(([local, domain]) => `${local}@${domain}`);
    const tried = fc.sample(address, 3_000);
    const { rows } = await (await database.connect('foundation_app')).query(
      `select key, platform.is_email_key(key) as taken from unnest($1::text[]) key`,
      [tried.map((each) => each.toLowerCase())],
    );
    for (const { key, taken } of rows) {
      const canonical = canonicaliseEmail(key);
      if (canonical.ok && canonical.key === key) expect(taken, key).toBe(true);
      // Only platform/email.ts knows what punycode stands for.
      else if (!/[^\x20-\x7f]/.test(key) && !key.includes('xn--')) expect(taken, key).toBe(false);
    }
    expect(rows.filter(({ taken }) => taken).length).toBeGreaterThan(20);
  });
});
