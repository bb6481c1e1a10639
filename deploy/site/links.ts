import { existsSync, readFileSync } from 'node:fs';
import { join, posix } from 'node:path';
import { root } from '../production/lock.ts';
import { readOutline } from './markdown.ts';

/** A link of a page that leads nowhere. */
export type DeadLink = { page: string; link: string };

/** @returns the links of pages that lead to no file, or to no heading of it. Links to other hosts are not asked. */
export function findDeadLinks(
  pages: string[],
  read = (page: string) => readFileSync(join(root, page), 'utf8'),
): DeadLink[] {
  const anchors = new Map<string, Set<string>>();
  const anchorsOf = (page: string) => {
    const known = anchors.get(page) ?? new Set(readOutline(read(page)).headings.map(({ anchor }) => anchor));
    anchors.set(page, known);
    return known;
  };
  return pages.flatMap((page) =>
    readOutline(read(page))
      .links.filter((link) => !/^[a-z]+:/.test(link))
      .filter((link) => {
        const [path = '', anchor] = decodeURI(link).split('#');
        const file = path === '' ? page : posix.join(posix.dirname(page), path);
        if (!pages.includes(file) && !existsSync(join(root, file))) return true;
        return anchor !== undefined && file.endsWith('.md') && !anchorsOf(file).has(anchor);
      })
      .map((link) => ({ page, link })),
  );
}
