import { type MergeCalls, mergeCalls } from '@aether/platform/merging';
import { Command, InvalidArgumentError } from 'commander';
import { endWith } from './exitcodes.ts';
import { type Common, withCommon, withSync } from './syncclient.ts';
import { formatTable } from './table.ts';

type Choices = Record<string, 'survivor' | 'loser'>;
type MergeOptions = Common & { field: Choices; reason?: string; preview?: boolean };
type Preview = Awaited<ReturnType<MergeCalls['previewMerge']>>[number];
type UnmergePreview = Awaited<ReturnType<MergeCalls['previewUnmerge']>>;
type Unmerged = Awaited<ReturnType<MergeCalls['unmergeCustomers']>>;

/** `aether merge SURVIVOR LOSER`: two records of one person become one, as sync_app. */
export function mergeCommand(): Command {
  return withCommon(new Command('merge').description('make two customers one'), 'one JSON object')
    .argument('<survivor>', 'the id of the customer that goes on')
    .argument('<loser>', 'the id of the customer that is merged into it')
    .option('--field <name=side>', 'whose value it gets: survivor or loser; else by the rules', readChoice, {})
    .option('--reason <text>', 'kept with the merge')
    .option('--preview', 'say what it would do, and change nothing')
    .action((survivor, loser, options: MergeOptions) =>
      withSync(options, async (connection, actor) => {
        const calls = mergeCalls(connection);
        const { field: fields, reason, preview, json } = options;
        if (preview) {
          const [found] = (await calls.previewMerge(survivor, [loser], { fields })) as [Preview];
          if (found.refused) endWith('merge', 'refused');
          return json ? print(found) : showPreview(found);
        }
        const done = await calls.mergeCustomers(survivor, [loser], { fields, ...(reason && { reason }), actor });
        const [merged] = done.merges;
        if (json) return print({ ...merged, survivor: done.survivor, version: done.version });
        showRows(merged?.moved ?? {}, 'moved');
        console.log(`Merged. npx aether unmerge ${merged?.merge} takes them apart again.`);
      }),
    );
}

/** `aether unmerge MERGE`: takes a merge back, as sync_app. */
export function unmergeCommand(): Command {
  return withCommon(new Command('unmerge').description('take a merge of two customers back'), 'one JSON object')
    .argument('<merge>', 'the id of the merge')
    .option('--preview', 'say what it would do, and change nothing')
    .action((merge, options: Common & { preview?: boolean }) =>
      withSync(options, async (connection, actor) => {
        const calls = mergeCalls(connection);
        const { preview, json } = options;
        const report = preview ? await calls.previewUnmerge(merge) : await calls.unmergeCustomers(merge, { actor });
        if ('refused' in report && report.refused) endWith('unmerge', 'refused');
        if (json) print(report);
        else showReport(report);
      }),
    );
}

function showPreview({ fields, moves, cannot, refused }: Preview): void {
  if (refused) console.error(`It would be refused: ${refused.message}`);
  if (fields.length > 0)
    console.log(
      formatTable(
        ['field', 'survivor', 'loser', 'gets', 'why'],
        fields.map(({ field, survivor, loser, chosen, why }) => [
          field,
          say(survivor?.value),
          say(loser?.value),
          chosen,
          why,
        ]),
      ),
    );
  showRows(Object.fromEntries(moves.map(({ table, rows }) => [table, rows])), 'would move');
  for (const { table, rows, why } of cannot) console.log(`${table}: ${rows} would stay behind. ${why}`);
}

function showReport(report: UnmergePreview | Unmerged): void {
  if ('refused' in report && report.refused)
    return void console.error(`It would be refused: ${report.refused.message}`);
  showRows(report.home, 'back');
  if (report.fieldsBack.length > 0) console.log(`fields back: ${report.fieldsBack.join(', ')}`);
  for (const { field, written, present } of report.fieldsKept)
    console.log(`${field} stays ${say(present)}: it was changed since, from ${say(written)}`);
  for (const { table, key, why } of report.kept) console.log(`${table} ${key} stays: ${why}`);
  for (const { table, key, why, default: usual, decided } of report.ambiguous)
    console.log(`${table} ${key} goes ${(decided ?? usual) === 'home' ? 'back' : 'nowhere'}: ${why}`);
}

function showRows(counts: Record<string, number>, what: string): void {
  for (const [table, rows] of Object.entries(counts)) console.log(`${table}: ${rows} ${what}`);
}

const say = (value: unknown): string => (value === null || value === undefined ? '–' : String(value));
const print = (object: object | undefined): void => console.log(JSON.stringify(object));

function readChoice(text: string, before: Choices): Choices {
  const [, name, side] = /^([^=]+)=(survivor|loser)$/.exec(text) ?? [];
  if (!name) throw new InvalidArgumentError('must be NAME=survivor or NAME=loser, such as name=loser.');
  return { ...before, [name]: side as 'survivor' | 'loser' };
}
