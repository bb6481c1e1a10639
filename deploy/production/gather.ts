import { cpSync, globSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { type Locked, root } from './lock.ts';
import { describePapers } from './papers.ts';
import { describeProduction, type Production } from './production.ts';

/** What the processes read beside their sources. The builds of the web apps are there after `npm run build`. */
const data = [
  'LICENSE',
  'CHANGELOG.md',
  'database/migrations/*.sql',
  'database/schema.sql',
  'database/inventory.txt',
  'database/privileges.txt',
  'docs/runbooks/*.md',
  'deploy/azure/databasetoken.mjs',
];
const builds = ['foundation/web/dist', 'support/web/dist', 'support/widget/dist', 'sync/web/dist'];

/**
 * `npm run build:production`: writes a folder that runs on Node 26 after `npm ci` in it: sources, migrations, the built web apps, a lock file with
 * what that needs, the licences and the list of components.
 *
 * @param into an empty folder, or one that is not there yet.
 * @throws Error if it holds something, or if the web apps are not built.
 */
export function gatherProduction(into: string): Production {
  mkdirSync(into, { recursive: true });
  if (readdirSync(into).length > 0) throw new Error(`${into} is not empty: name a new folder.`);
  for (const build of builds)
    if (globSync('*', { cwd: join(root, build) }).length === 0)
      throw new Error(`${build} is not there: run \`npm run build\` first.`);
  const production = describeProduction();
  const { reached, lock } = production;
  for (const file of [...reached.files, ...globSync(data, { cwd: root }), ...builds])
    cpSync(join(root, file), join(into, file), { recursive: true });
  const { name, version, workspaces, engines } = lock.packages[''] as Locked;
  for (const room of workspaces as string[]) writeManifest(into, room, lock.packages[room] as Locked);
  writeJson(join(into, 'package.json'), { name, version, private: true, type: 'module', engines, workspaces });
  writeJson(join(into, 'package-lock.json'), lock);
  for (const [file, text] of Object.entries(describePapers(production))) writeFileSync(join(into, file), text);
  return production;
}

function writeManifest(into: string, room: string, { name, version, dependencies }: Locked): void {
  const { exports } = JSON.parse(readFileSync(join(root, room, 'package.json'), 'utf8'));
  writeJson(join(into, room, 'package.json'), { name, version, private: true, type: 'module', exports, dependencies });
}

function writeJson(path: string, value: unknown): void {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, `${JSON.stringify(value, undefined, 2)}\n`);
}
