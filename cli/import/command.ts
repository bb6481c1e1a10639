import { answers, outcomes } from '@aether/importer';
import { Command } from 'commander';
import { asSync, withCommon } from '../syncclient.ts';
import { answer, printCandidates, replan, whatIf } from './answers.ts';
import { collect, readAnswer, readApp, readMap, readOrder, readOutcome, readWhole } from './options.ts';
import { plan } from './plan.ts';
import { printRows } from './rows.ts';
import { abandon, apply, printRuns, undo, verify } from './runs.ts';

/** A plan of six million lines is one statement of some minutes. */
const answerMs = 1_800_000;

/** `aether import …`: plans, applies, verifies and undoes imports, as sync_app. */
export function importCommand(): Command {
  const command = new Command('import').description('customers of other systems: plan, look, apply, verify, undo');
  const add = (name: string, description: string) =>
    withCommon(command.command(name).description(description), 'one JSON object');

  add('plan', 'read files and say what each line will be; writes nothing that an app sees')
    .argument('[file...]', 'lists of people in any known format; lists of companies and users complete them')
    .option('--source <name>', 'where the ids come from; by default the recognised format or the name of the file')
    .option('--app <app>', 'whose customers they become: foundation or support', readApp, 'foundation')
    .option('--map <column=field>', 'what a column means; `column=` leaves it out', readMap, {})
    .option('--timezone <zone>', 'of times that name none, such as Europe/Berlin')
    .option('--day-month <column=order>', 'day-first or month-first, for dates such as 03/04/2020', readOrder, {})
    .option('--encoding <name>', 'of files that are not UTF-8, such as windows-1252')
    .option('--phone-country <country>', 'of telephone numbers without + and their country, such as DE')
    .option('--overwrite <field>', 'the file decides this field also where a customer has another value', collect, [])
    .option(
      '--again',
      'compare also lines that have not changed: what had no place when they were imported may have one now',
    )
    .option('--set <setting=value>', 'a rule or threshold of matching, such as name-and-place=off', collect, [])
    .option('--from <url>', 'read a table of another PostgreSQL, with --query')
    .option('--query <sql>', 'what to read there')
    .action((files, options) => asSync(options, (client) => plan(client, files, options), { answerMs }));
  add('candidates', 'pairs of a plan that may be one person, the likeliest first, with the reasons')
    .argument('<run>')
    .option('--limit <n>', 'at most so many', readWhole, 20)
    .action((run, options) => asSync(options, (client) => printCandidates(client, run, options)));
  add(
    'answer',
    'say whether two lines of a plan, or a line and a customer, are the same person; it is kept for the next files',
  )
    .argument('<run>')
    .argument('<line>', 'its number in the run, as `candidates` lists it', readWhole)
    .argument('<other>', 'the number of another line, or the id of a customer')
    .argument('<answer>', answers.join(', '), readAnswer)
    .action((run, n, other, said, options) =>
      asSync(options, (client) => answer(client, run, { n, other, said }, options)),
    );
  add('replan', 'decide a plan again, so that it follows the answers, or other rules; needs no file')
    .argument('<run>')
    .option(
      '--set <setting=value>',
      'such as name-and-place=off, chance=0.01; `standard` for the standard ones',
      collect,
    )
    .action((run, options) => asSync(options, (client) => replan(client, run, options), { answerMs }));
  add('what-if', 'which pairs of a plan other rules would gain and lose; writes nothing')
    .argument('<run>')
    .option('--set <setting=value>', 'such as name-and-place=off, chance=0.01, family=3', collect, [])
    .action((run, options) => asSync(options, (client) => whatIf(client, run, options), { answerMs }));
  add('apply', 'write a planned run, or go on with one that was cut off')
    .argument('<run>')
    .option('--rest <ms>', 'a pause after each step, which leaves more of the machine to others', readWhole, 0)
    .action((run, options) => asSync(options, (client) => apply(client, run, options), { answerMs }));
  add('verify', 'compare a run with what the database holds')
    .argument('<run>')
    .action((run, options) => asSync(options, (client) => verify(client, run, options), { answerMs }));
  add('undo', 'take a run back; what was changed since is kept and listed')
    .argument('<run>')
    .option('--reason <text>', 'why, for the record; on a terminal it is asked for')
    .action((run, options) => asSync(options, (client) => undo(client, run, options), { answerMs }));
  add('abandon', 'give up a plan that nobody will apply: its lines go, and the run stays in the history')
    .argument('<run>')
    .option('--reason <text>', 'why, for the record; needed')
    .action((run, options) => asSync(options, (client) => abandon(client, run, options), { answerMs }));
  add('runs', 'all runs, the newest first')
    .option('--limit <n>', 'at most so many', readWhole, 50)
    .action((options) => asSync(options, (client) => printRuns(client, options)));
  add('rows', 'lines of a run and what became of them')
    .argument('<run>')
    .option('--outcome <outcome>', `only ${outcomes.join(', ')}`, readOutcome)
    .option('--conflicts', 'only lines that say something else than the customer has')
    .option('--csv', 'as a file: the lines as they were, with the reason; mended, it can be imported alone')
    .option('--limit <n>', 'at most so many', readWhole, 100)
    .action((run, options) => asSync(options, (client) => printRows(client, run, options)));
  return command;
}
