import { readFile } from 'node:fs/promises';
import { parseEnv } from 'node:util';
import { loginNames } from '@aether/database';
import { Command, InvalidArgumentError } from 'commander';
import { requireDatabaseUrl } from '../databaseurl.ts';
import { variableOf } from '../environment.ts';
import { endWith } from '../exitcodes.ts';
import { readRunning } from '../start/running.ts';
import { formatTable } from '../table.ts';
import { type Addresses, examine } from './doctor.ts';
import { type Finding, type State, worstOf } from './findings.ts';

/** `aether doctor`. */
export function doctorCommand(): Command {
  return new Command('doctor')
    .description('try a server as each login, and say what is missing and what to do')
    .option(
      '--logins <file>',
      'the addresses of the logins, as `aether migrate bootstrap --to` writes them; otherwise <LOGIN>_URL, otherwise what npm start runs',
    )
    .option('--processes <number>', 'how many processes of each app, and workers, run at once', parseCount, 1)
    .option('--pool-max <number>', 'PLATFORM_DB_POOL_MAX of the apps', parseCount, 10)
    .option('--replica <host:port>', 'a streaming replica, tried as each app: PLATFORM_DB_REPLICA_URL', parsePlace)
    .option('--json', 'one JSON object')
    .action(async ({ logins, processes, poolMax, replica, json }) => {
      const findings = await examine(await readAddresses(logins), { processes, poolMax, replica });
      const worst = worstOf(findings);
      if (worst === 'warning' || worst === 'wrong') endWith('doctor', worst);
      console.log(json ? JSON.stringify({ worst, findings }) : describe(findings));
    });
}

/** @throws Error if there is no address, or one that no connection could use */
async function readAddresses(file: string | undefined): Promise<Addresses> {
  const given: Record<string, string | undefined> = file ? parseEnv(await readFile(file, 'utf8')) : process.env;
  const read = (from: Record<string, string | undefined>): Addresses =>
    Object.fromEntries(
      loginNames.flatMap((login) => {
        const name = variableOf(login, 'URL');
        const url = from[name];
        return url ? [[login, requireDatabaseUrl(name, url)]] : [];
      }),
    );
  const named = read(given);
  const addresses = Object.keys(named).length > 0 || file ? named : read(readRunning() ?? {});
  if (Object.keys(addresses).length > 0) return addresses;
  throw new Error(
    file
      ? `${file} has no address of a login, such as FOUNDATION_APP_URL=postgresql://…`
      : 'Which server? Give --logins with the file of `aether migrate bootstrap --to`, or <LOGIN>_URL such as FOUNDATION_APP_URL, or run `npm start` first.',
  );
}

function describe(findings: Finding[]): string {
  const tried = new Set(findings.flatMap(({ logins }) => logins));
  const nameLogins = (logins: Finding['logins']) =>
    logins.length === 0 ? 'the server' : logins.length === tried.size ? 'all logins' : logins.join(', ');
  const count = (state: State) => findings.filter((finding) => finding.state === state).length;
  const [wrong, warnings] = [count('wrong'), count('warning')];
  const sentence =
    wrong + warnings === 0
      ? 'Nothing is missing.'
      : `${wrong} ${wrong === 1 ? 'thing is' : 'things are'} wrong, and ${warnings} should be looked at.`;
  const rows = findings.map(({ check, logins, state, found, remedy }) => [
    state,
    check,
    nameLogins(logins),
    remedy ? `${found}. To do: ${remedy}.` : `${found}.`,
  ]);
  return `${sentence}\n\n${formatTable(['state', 'check', 'of', 'what it found'], rows)}`;
}

function parsePlace(text: string): string {
  if (/^[^\s/@?#]+$/.test(text) && URL.canParse(`postgresql://${text}/`)) return text;
  throw new InvalidArgumentError('must be a host, or host:port.');
}

function parseCount(text: string): number {
  const number = Number(text);
  if (!Number.isInteger(number) || number < 1 || number > 1_000)
    throw new InvalidArgumentError('must be a whole number from 1 to 1000.');
  return number;
}
