/** A stretch of text: plain, `code`, **strong**, or a link. */
export type Inline = { text: string; is?: 'code' | 'strong' } | { text: string; href: string };

export type Block =
  | { kind: 'heading'; level: number; content: Inline[] }
  | { kind: 'paragraph'; content: Inline[] }
  | { kind: 'list'; isOrdered: boolean; items: Inline[][] }
  | { kind: 'code'; text: string }
  | { kind: 'table'; head: Inline[][]; rows: Inline[][][] };

const fence = /^\s*```/;
const item = /^\s*(?:[-*]|\d+\.)\s+/;

/** Reads the Markdown that our docs are written in: headings, paragraphs, lists, tables, code. Pure. */
export function parseMarkdown(text: string): Block[] {
  const blocks: Block[] = [];
  const lines = text.split(/\r?\n/);
  for (let at = 0; at < lines.length; ) {
    const line = lines[at] as string;
    const takeWhile = (holds: (each: string) => boolean) => {
      const from = at;
      while (at < lines.length && holds(lines[at] as string)) at += 1;
      return lines.slice(from, at);
    };
    if (line.trim() === '') {
      at += 1;
    } else if (fence.test(line)) {
      at += 1;
      blocks.push({ kind: 'code', text: takeWhile((each) => !fence.test(each)).join('\n') });
      at += 1;
    } else if (/^#{1,6}\s/.test(line)) {
      const [marks = '', ...words] = line.split(/\s+/);
      blocks.push({ kind: 'heading', level: marks.length, content: parseInline(words.join(' ')) });
      at += 1;
    } else if (line.startsWith('|')) {
      const [head = [], , ...rows] = takeWhile((each) => each.startsWith('|')).map(splitRow);
      blocks.push({ kind: 'table', head, rows });
    } else if (item.test(line)) {
      const isOrdered = /^\s*\d/.test(line);
      blocks.push({
        kind: 'list',
        isOrdered,
        items: joinItems(takeWhile((each) => each.trim() !== '' && !fence.test(each))),
      });
    } else {
      const isText = (each: string) =>
        each.trim() !== '' && !fence.test(each) && !item.test(each) && !/^(#|\|)/.test(each);
      blocks.push({ kind: 'paragraph', content: parseInline(takeWhile(isText).join(' ')) });
    }
  }
  return blocks;
}

/** The lines of a list as its items: a line without a mark goes on with the item before it. */
function joinItems(lines: string[]): Inline[][] {
  const items: string[] = [];
  for (const line of lines) {
    if (item.test(line)) items.push(line.replace(item, ''));
    else items.push(`${items.pop() ?? ''} ${line.trim()}`);
  }
  return items.map(parseInline);
}

const splitRow = (line: string): Inline[][] =>
  line
    .replace(/^\||\|\s*$/g, '')
    .split(/(?<!\\)\|/)
    .map((cell) => parseInline(cell.trim().replaceAll('\\|', '|')));

function parseInline(text: string): Inline[] {
  return text
    .split(/(`[^`]+`|\*\*[^*]+\*\*|\[[^\]]+\]\([^)\s]+\))/)
    .filter((part) => part !== '')
    .map((part): Inline => {
      if (part.startsWith('`') && part.length > 2) return { text: part.slice(1, -1), is: 'code' };
      if (part.startsWith('**') && part.length > 4) return { text: part.slice(2, -2), is: 'strong' };
      const [, words, href] = /^\[([^\]]+)\]\(([^)\s]+)\)$/.exec(part) ?? [];
      return words !== undefined && href !== undefined ? { text: words, href } : { text: part };
    });
}
