import { Command } from 'commander';
import { alertsCommand } from './alerts.ts';
import { appCommand } from './app.ts';
import { doctorCommand } from './doctor/command.ts';
import { duplicatesCommand } from './duplicates.ts';
import { readVariable } from './environment.ts';
import { eventsCommand } from './events.ts';
import { endFailed, endWith, listEndings } from './exitcodes.ts';
import { healthCommand } from './health.ts';
import { importCommand } from './import/command.ts';
import { matchCommand } from './match.ts';
import { mergeCommand, unmergeCommand } from './merge.ts';
import { bootstrapServer, checkDatabase, completeRestore, migrateUp, migratorUrl, printStatus } from './migrate.ts';
import packageJson from './package.json' with { type: 'json' };
import { privacyCommand } from './privacy.ts';
import { serviceBusCommand } from './servicebus.ts';
import { webhookCommand } from './webhook.ts';

/**
 * Runs `aether …` in this process. A failure is printed as one sentence. What the process ends with then is in exitcodes.ts.
 *
 * @param args what follows `aether`
 */
export async function runCommand(args: string[]): Promise<void> {
  try {
    await createProgram().parseAsync(args, { from: 'user' });
  } catch (error) {
    console.error(`\n${describeFailure(error)}`);
    if (readVariable('LOG_LEVEL') === 'debug') console.error(error);
    endFailed();
  }
}

/** The command with all that it knows. */
export function createProgram(): Command {
  const program = new Command('aether')
    .description('One customer record for every app, on one PostgreSQL.')
    .version(packageJson.version)
    .showHelpAfterError();

  program
    .command('start')
    .description('run everything on this machine, on a PostgreSQL of its own (npm start)')
    .option('--reset', 'remove the data and start over', false)
    .option(
      '--with-bus',
      'also a Service Bus (a stand-in, unless SERVICEBUS_… names one), the relay, and examples/billing',
      false,
    )
    .action(async (options) => (await onLaptop(() => import('./start/start.ts'))).start(options)); // loaded only here: it imports the servers

  program
    .command('demo')
    .description('play the three scenarios over HTTP against what npm start runs')
    .option('--widget <key>', 'the widget that the visitor uses')
    .option('--bus', 'and then: a tier that is raised arrives in billing (npm start -- --with-bus)', false)
    .action(async (options) => (await onLaptop(() => import('./demo/demo.ts'))).playDemo(options));

  program
    .command('token')
    .description(
      'print an access token for scripts, of the local identity provider: curl -H "Authorization: Bearer $(aether token --as maya)" …',
    )
    .requiredOption('--as <who>', 'maya, jonas, priya or tom; or service, a machine without a person')
    .option('--app <app>', 'the app that takes the token: foundation, support or console', 'foundation')
    .option('--scope <scopes>', 'what the token allows, such as deals.read,customers.read; a machine needs some')
    .action(async (options) => (await onLaptop(() => import('./token.ts'))).printToken(options));

  const migrations = program.command('migrate').description('the database: roles, tables, history');
  migrations
    .command('bootstrap')
    .description('once per server: roles, logins and the database; gives the addresses of the logins')
    .option('--admin-url <url>', 'the server administrator (or PLATFORM_ADMIN_URL)')
    .option('--database <name>', 'the database', 'platform')
    .option('--to <file>', 'write the addresses there instead of printing them; a repetition keeps the passwords in it')
    .option('--clear-text', 'send the passwords without TLS to another machine', false)
    .option('--new-passwords', 'also for logins that are there already: what runs on the old ones is cut off', false)
    .action(bootstrapServer);
  const onDatabase = (name: string, description: string) =>
    migrations
      .command(name)
      .description(description)
      .option('--url <url>', 'as platform_migrator (or PLATFORM_MIGRATOR_URL); by default what npm start runs');
  onDatabase('up', 'run what has not run yet').action(({ url }) => migrateUp(migratorUrl(url)));
  onDatabase(
    'restored',
    'after a restore: give the functions of other roles back to them, and look at sequences and roles',
  ).action(async ({ url }) => {
    const found = await completeRestore(migratorUrl(url));
    if (found === 'repeats') endWith('migrate restored', 'repeats');
    if (found === 'roleless') endWith('migrate restored', 'roleless');
  });
  onDatabase('status', 'what has run and what has not').action(({ url }) => printStatus(migratorUrl(url)));
  onDatabase('check', 'compare the database with what it should be, and what the logins can do').action(
    async ({ url }) => {
      if (!(await checkDatabase(migratorUrl(url)))) endWith('migrate check', 'differs');
    },
  );

  program.addCommand(appCommand().copyInheritedSettings(program));
  program.addCommand(doctorCommand().copyInheritedSettings(program));
  program.addCommand(eventsCommand().copyInheritedSettings(program));
  program.addCommand(alertsCommand().copyInheritedSettings(program));
  program.addCommand(healthCommand().copyInheritedSettings(program));
  program.addCommand(importCommand().copyInheritedSettings(program));
  program.addCommand(matchCommand().copyInheritedSettings(program));
  program.addCommand(duplicatesCommand().copyInheritedSettings(program));
  program.addCommand(mergeCommand().copyInheritedSettings(program));
  program.addCommand(unmergeCommand().copyInheritedSettings(program));
  program.addCommand(privacyCommand().copyInheritedSettings(program));
  program.addCommand(serviceBusCommand().copyInheritedSettings(program));
  program.addCommand(webhookCommand().copyInheritedSettings(program));
  for (const { name, command } of listCommands(program)) command.addHelpText('after', () => sayEndings(name));
  return program;
}

/** Every command that does something, with its name without `aether`. A command with subcommands does something if it has options. Pure. */
export function listCommands(program: Command): { name: string; command: Command }[] {
  const walk = (command: Command, names: string[]): { name: string; command: Command }[] => [
    ...(command.commands.length === 0 || (names.length > 0 && command.options.length > 0)
      ? [{ name: names.join(' '), command }]
      : []),
    ...command.commands.flatMap((each) => walk(each, [...names, each.name()])),
  ];
  return walk(program, []);
}

function sayEndings(name: string): string {
  return `\nEnds with:\n${listEndings(name)
    .map(({ code, words }) => `  ${String(code).padEnd(4)} ${words}`)
    .join('\n')}`;
}

/** A production install has neither these commands nor their packages: deploy/production/reach.ts. */
async function onLaptop<Module>(load: () => Promise<Module>): Promise<Module> {
  return load().catch((error) => {
    if ((error as NodeJS.ErrnoException).code !== 'ERR_MODULE_NOT_FOUND') throw error;
    throw new Error('This install is for production, without `aether start`, `demo` and `token`: use the repository.', {
      cause: error,
    });
  });
}

/** Errors of system calls and of the database get a message of their own; all other errors explain themselves. */
function describeFailure(error: unknown): string {
  const { message = String(error), code = '' } = error as NodeJS.ErrnoException;
  const { address, port, hostname, syscall } = error as NodeJS.ErrnoException & Record<string, unknown>;
  if (['ECONNREFUSED', 'ENOTFOUND', 'ETIMEDOUT', 'EHOSTUNREACH'].includes(code))
    return `No server answers at ${hostname ?? `${address}:${port}`} (${code}): is the address right, and does it run?`;
  if (code === 'EACCES' && syscall === 'listen')
    return `Port ${port} may be opened by an administrator only: choose another one, with FOUNDATION_PORT, SUPPORT_PORT, CONSOLE_PORT, IDENTITY_PORT, DEMO_SHOP_PORT, MAIL_CATCHER_PORT or BILLING_PORT.`;
  if (code === '28P01')
    return `The server refuses the login (${message}): its password is the one that \`aether migrate bootstrap\` gave it, in its address or as <LOGIN>_PASSWORD.`;
  if (message.startsWith('Connection terminated'))
    return 'What answers at the address of the database ended the connection: is it a PostgreSQL?';
  return message;
}
