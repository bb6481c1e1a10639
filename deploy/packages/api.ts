import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { buildPackages, publishedPackages } from './build.ts';
import { reportDoor } from './report.ts';

// `npm run api` builds the packages and writes what they promise into deploy/packages/api; with --check it refuses what is not written there, and
// a call without documentation.
const reports = join(import.meta.dirname, 'api');
const isCheck = process.argv.includes('--check');
const folders = buildPackages();
const faults: string[] = [];
mkdirSync(reports, { recursive: true });
for (const [at, { room, doors }] of publishedPackages.entries())
  for (const [door, file] of Object.entries(doors)) {
    const { text, undocumented } = reportDoor(join(folders[at] as string, 'lib'), file.replace(/\.ts$/, '.d.ts'));
    const report = join(reports, `${`${room}${door.slice(1)}`.replace('/', '.')}.txt`);
    const written = existsSync(report) ? readFileSync(report, 'utf8') : '';
    if (isCheck && written !== text) faults.push(...compare(report, written, text));
    else if (!isCheck) writeFileSync(report, text);
    faults.push(...undocumented.map((call) => `${room}${door.slice(1)}: ${call} has no documentation.`));
  }
if (faults.length > 0) {
  console.error(faults.join('\n'));
  process.exitCode = 1;
}

/** The lines that differ, each as it is in one of the two. */
function compare(report: string, written: string, built: string): string[] {
  const only = (text: string, other: string) => {
    const known = new Set(other.split('\n'));
    return text.split('\n').filter((line) => line.trim() !== '' && !known.has(line));
  };
  return [
    `${report} is not what the packages promise now. If the change is meant, note it in the changelog and run \`npm run api\`:`,
    ...only(written, built).map((line) => `- ${line}`),
    ...only(built, written).map((line) => `+ ${line}`),
  ];
}
