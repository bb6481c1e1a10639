/** `npm run build:production -- FOLDER`: writes what a server needs into a new folder; `npm ci` in it installs the packages. */
import { resolve } from 'node:path';
import { gatherProduction } from './gather.ts';

const [folder] = process.argv.slice(2);
try {
  if (!folder) throw new Error('Name a new folder: npm run build:production -- ../aether');
  const { reached, installed } = gatherProduction(resolve(folder));
  console.log(`${reached.files.length} sources; \`npm ci\` there installs ${installed.length} packages.`);
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
}
