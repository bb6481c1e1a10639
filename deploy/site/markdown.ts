import MarkdownIt from 'markdown-it';

/** What a page of Markdown has: its title, its headings with the anchors that links use, and its links. */
export type Outline = { title: string; headings: { level: number; text: string; anchor: string }[]; links: string[] };

const markdown = new MarkdownIt({ html: false, linkify: false });

/** The anchor of a heading, by the rule of GitHub: small letters, without signs, hyphens for blanks. Pure. */
export const anchorOf = (text: string): string =>
  text
    .toLowerCase()
    .replace(/[^\p{L}\p{N}\s_-]/gu, '')
    .trim()
    .replaceAll(/\s/g, '-');

/** Pure. */
export function readOutline(text: string): Outline {
  const tokens = markdown.parse(text, {});
  const taken = new Map<string, number>();
  const headings = tokens.flatMap((token, at) => {
    if (token.type !== 'heading_open') return [];
    const inline = (tokens[at + 1]?.children ?? []).map(({ content }) => content).join('');
    const base = anchorOf(inline);
    const times = taken.get(base) ?? 0;
    taken.set(base, times + 1);
    return [{ level: Number(token.tag.slice(1)), text: inline, anchor: times === 0 ? base : `${base}-${times}` }];
  });
  const links = tokens
    .flatMap(({ children }) => children ?? [])
    .flatMap((token) => [token.attrGet('href'), token.attrGet('src')])
    .filter((link) => link !== null)
    .map(String);
  return { title: headings[0]?.text ?? '', headings, links };
}

/**
 * The HTML of a page. Pure.
 *
 * @param resolve gives the address for a link or a picture of the Markdown; undefined leaves its words without a link.
 */
export function renderPage(text: string, resolve: (link: string) => string | undefined): string {
  const { headings } = readOutline(text);
  const renderer = new MarkdownIt({ html: false, linkify: false });
  let heading = 0;
  renderer.renderer.rules.heading_open = (tokens, at) =>
    `<${tokens[at]?.tag} id="${renderer.utils.escapeHtml(headings[heading++]?.anchor ?? '')}">`;
  // A wide table scrolls by itself; the page does not.
  renderer.renderer.rules.table_open = () => '<div class="table" tabindex="0"><table>';
  renderer.renderer.rules.table_close = () => '</table></div>';
  renderer.core.ruler.push('links', (state) => {
    for (const { children } of state.tokens)
      for (const token of children ?? [])
        for (const name of ['href', 'src']) {
          const link = token.attrGet(name);
          if (link === null) continue;
          const address = resolve(String(link));
          if (address !== undefined) token.attrSet(name, address);
          else
            token.attrs = [
              ['class', 'elsewhere'],
              ['title', String(link)],
            ];
        }
  });
  return renderer.render(text);
}

/** What a search looks through: the page in parts, each from a heading to the next, without marks. Pure. */
export function readParts(text: string): { heading: string; anchor: string; text: string }[] {
  const tokens = markdown.parse(text, {});
  const { headings } = readOutline(text);
  const parts: { heading: string; anchor: string; text: string }[] = [];
  let at = 0;
  for (const [index, token] of tokens.entries()) {
    if (tokens[index - 1]?.type === 'heading_open') continue; // its words are in the part already
    if (token.type === 'heading_open') {
      const { text: heading = '', anchor = '' } = headings[at++] ?? {};
      parts.push({ heading, anchor, text: '' });
    } else {
      const part = parts.at(-1);
      if (part && token.type === 'inline')
        part.text += ` ${(token.children ?? []).map(({ content }) => content).join(' ')}`;
      else if (part && token.type === 'fence') part.text += ` ${token.content}`;
    }
  }
  return parts;
}
