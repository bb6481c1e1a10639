import { existsSync, globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Licensed, readLicences } from './licences.ts';
import { readLock, root } from './lock.ts';
import type { Production } from './production.ts';
import { describeComponents } from './sbom.ts';

const isLicence = /^(?:licen[cs]e|copying|notice|copyright)(?:[.-].*)?$/i;

/** The licences of everything that is given to others. @throws Error naming each package whose licence is not in the list */
export function requireLicences({ installed, bundled }: Production): Licensed[] {
  const licences = readLicences(readLock(), [...installed, ...bundled].sort());
  const refused = licences.filter((each) => !each.isAllowed);
  if (refused.length === 0) return licences;
  throw new Error(
    `Nobody has allowed ${refused.length === 1 ? 'this licence' : 'these licences'}: ` +
      `${refused.map(({ name, version, licence }) => `${licence} of ${name} ${version}`).join(', ')}. ` +
      'Take another package, or add the licence to deploy/production/licences.ts if it asks for nothing that we do not do.',
  );
}

/**
 * The papers that go with a production install: `sbom.cdx.json`, and `THIRD-PARTY.txt` with the licence of each package in its author's words.
 * Reads the installed packages.
 *
 * @throws Error for a licence that nobody has allowed, and for a package that is not installed here.
 */
export function describePapers(production: Production): Record<'sbom.cdx.json' | 'THIRD-PARTY.txt', string> {
  const licences = requireLicences(production);
  const paths = [...production.installed, ...production.bundled].sort();
  return {
    'sbom.cdx.json': `${JSON.stringify(describeComponents(readLock(), production), undefined, 2)}\n`,
    'THIRD-PARTY.txt': licences.map((each, at) => describeLicence(each, readTexts(paths[at] as string))).join('\n'),
  };
}

function describeLicence({ name, version, licence }: Licensed, texts: string[]): string {
  const title = `${name} ${version} (${licence})`;
  const body =
    texts.length > 0 ? texts.join('\n\n') : `The package says its licence in package.json alone: ${licence}.`;
  return `${title}\n${'='.repeat(title.length)}\n\n${body}\n`;
}

function readTexts(path: string): string[] {
  const folder = join(root, path);
  if (!existsSync(folder)) throw new Error(`${path} is not installed: run \`npm ci\` first.`);
  return globSync('*', { cwd: folder })
    .filter((file) => isLicence.test(file))
    .sort()
    .map((file) => readFileSync(join(folder, file), 'utf8').trim());
}
