/*
 * The text of a mail that has HTML only. It is shown as text, so nothing here has to be safe HTML: tags go, blocks become lines, and what is quoted is
 * quoted as in a mail of text.
 */

const named: Record<string, string> = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'", nbsp: ' ', shy: '' };

/** Pure. Linear in its input. */
export function textOfHtml(html: string): string {
  const bare = html
    .replace(/<!--[\s\S]*?(?:-->|$)/g, '')
    .replace(/<(script|style|head|title|svg)\b[\s\S]*?(?:<\/\1\s*>|$)/gi, '');
  let depth = 0;
  const lines: string[] = [''];
  const begin = () => {
    if (lines.at(-1) !== '') lines.push('');
  };
  const quotes: number[] = [0];
  for (const [piece] of bare.matchAll(/<[^<>]*>|[^<]+|</g)) {
    const [, closing, tag = ''] = /^<(\/?)([a-z][a-z0-9]*)/i.exec(piece) ?? [];
    if (tag === '') {
      if (/^<[!/?]/.test(piece)) continue;
      const words = decode(piece).replace(/[\t\n\r ]+/g, ' ');
      lines[lines.length - 1] += lines.at(-1) === '' ? words.trimStart() : words;
    } else if (/^br$/i.test(tag)) lines.push('');
    else if (/^blockquote$/i.test(tag)) {
      begin();
      depth = Math.max(0, depth + (closing ? -1 : 1));
    } else if (/^(p|div|tr|li|ul|ol|table|h[1-6]|hr|pre|section|article)$/i.test(tag)) begin();
    quotes[lines.length - 1] = depth;
  }
  return lines
    .map((line, at) => `${'> '.repeat(Math.min(quotes[at] ?? 0, 5))}${line.trimEnd()}`)
    .join('\n')
    .replace(/\n{3,}/g, '\n\n')
    .trim();
}

const decode = (text: string): string =>
  text.replace(/&(?:#(\d{1,7})|#x([0-9a-f]{1,6})|([a-z]{2,8}));/gi, (whole, decimal, hex, name) => {
    if (name) return named[name.toLowerCase()] ?? whole;
    const code = decimal ? Number(decimal) : Number.parseInt(hex, 16);
    return code > 0 && code <= 0x10ffff ? String.fromCodePoint(code) : '';
  });
