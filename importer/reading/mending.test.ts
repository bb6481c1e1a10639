import { expect, test } from 'vitest';
import { mendingFileOf } from './mending.ts';
import { personsOf, readText } from './testing.reading.ts';

test.each([
  ['a list without a header', '1;ada@acme.org;Ada King\n2;bo@acme.org;Bo Berg\n3;cy@acme.org;Cy Moss\n'],
  ['a list with quotes', 'id,email,name\n1,ada@acme.org,"King, ""Ada"""\n'],
  [
    'JSON lines',
    '{"id": 1, "email": "ada@acme.org", "companies": [{"name": "Acme"}]}\n{"id": 2, "email": "bo@acme.org", "companies": []}\n',
  ],
  ['cards', 'BEGIN:VCARD\nVERSION:4.0\nFN:Ada King\nEMAIL:ada@acme.org\nEND:VCARD\n'],
])(
  'rows of %s leave with their reasons and come back as the same persons, with columns that mean the same',
  async (_, text) => {
    const first = await readText(text);
    const { head, write } = mendingFileOf(first.recognition.layout);
    const lines = first.rows.map(({ line, raw }) => write({ line, raw, reason: 'The "reason", of; it' }));
    const second = await readText(`${head}${lines.join('')}`);
    const without = ({ rows }: typeof first) => personsOf(rows).map(({ line, remarks, ...person }) => person);
    expect(without(second)).toEqual(without(first));
    expect(second.recognition.fingerprint).toBe(first.recognition.fingerprint);
  },
);
