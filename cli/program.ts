import { Command } from 'commander';
import { alertsCommand } from './alerts.ts';
import { appCommand } from './app.ts';
import { doctorCommand } from './doctor/command.ts';
import { duplicatesCommand } from './duplicates.ts';
import { eventsCommand } from './events.ts';
import { endWith, listEndings } from './exitcodes.ts';
import { healthCommand } from './health.ts';
import { importCommand } from './import/command.ts';
import { matchCommand } from './match.ts';
import { mergeCommand, unmergeCommand } from './merge.ts';
import { bootstrapServer, checkDatabase, completeRestore, migrateUp, migratorUrl, printStatus } from './migrate.ts';
import { onLaptop } from './onlaptop.ts';
import packageJson from './package.json' with { type: 'json' };
import { privacyCommand } from './privacy.ts';
import { serviceBusCommand } from './servicebus.ts';
import { startCommand } from './start/command.ts';
import { webhookCommand } from './webhook.ts';

/** The command with all that it knows. */
export function createProgram(): Command {
  const program = new Command('aether')
    .description('One customer record for every app, on one PostgreSQL.')
    .version(packageJson.version)
    .showHelpAfterError();

  program.addCommand(startCommand().copyInheritedSettings(program));

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
