import { expect, test } from 'vitest';
import { parseMarkdown } from './markdown.ts';

test('a page of our docs becomes headings, paragraphs, lists, tables and code', () => {
  expect(
    parseMarkdown(`# A subscription is silent

It **stopped** reading. See \`aether health\`
and [events](../events.md).

1. Look at the process
   that reads it.
2. Start it again.

| state | meaning |
|---|---|
| \`silent\` | no beat |

\`\`\`sh
aether events pause
# no heading
\`\`\`
`),
  ).toEqual([
    { kind: 'heading', level: 1, content: [{ text: 'A subscription is silent' }] },
    {
      kind: 'paragraph',
      content: [
        { text: 'It ' },
        { text: 'stopped', is: 'strong' },
        { text: ' reading. See ' },
        { text: 'aether health', is: 'code' },
        { text: ' and ' },
        { text: 'events', href: '../events.md' },
        { text: '.' },
      ],
    },
    {
      kind: 'list',
      isOrdered: true,
      items: [[{ text: 'Look at the process that reads it.' }], [{ text: 'Start it again.' }]],
    },
    {
      kind: 'table',
      head: [[{ text: 'state' }], [{ text: 'meaning' }]],
      rows: [[[{ text: 'silent', is: 'code' }], [{ text: 'no beat' }]]],
    },
    { kind: 'code', text: 'aether events pause\n# no heading' },
  ]);
});

test('what is no Markdown stays as it was written, and ends', () => {
  expect(parseMarkdown('a * b < c [d] `e\n```\nopen')).toEqual([
    { kind: 'paragraph', content: [{ text: 'a * b < c [d] `e' }] },
    { kind: 'code', text: 'open' },
  ]);
});
