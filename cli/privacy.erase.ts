import { readFile } from 'node:fs/promises';
import { text as readAll } from 'node:stream/consumers';
import {
  type CleanedUp,
  cleanUp,
  type ErasurePreview,
  eraseCustomer,
  eraseList,
  type JobLine,
  type Listed,
  type ListPreview,
  liftErasure,
  liftSuppression,
  listErased,
  listHolds,
  listReceipts,
  listRefusals,
  placeHold,
  previewErasure,
  previewList,
  type Receipt,
  readErased,
  readList,
  releaseHoldsOf,
  repeatErasures,
  requireCustomer,
} from '@aether/sync/privacy';
import { type Command, InvalidArgumentError } from 'commander';
import type pg from 'pg';
import { endWith } from './exitcodes.ts';
import { asPrivacy, type Common, withCommon } from './syncclient.ts';
import { formatTable } from './table.ts';

type Options = Common & { country?: string };
type EraseOptions = Options & { reason: string; list?: string; dryRun?: boolean; confirm?: boolean };

/** How long a command waits while an old transaction, or a worker that reads a file, is in the way of the clean-up. */
const cleanUpWaitMs = 60_000;

/** Adds the commands of `aether privacy` that erase, keep from it, and keep away. */
export function addErasing(privacy: Command): Command {
  const add = (name: string, description: string, json?: string) =>
    withCommon(privacy.command(name).description(description), json, 'privacy_app');
  const addWho = (name: string, description: string, json?: string) =>
    add(name, description, json)
      .argument('<who>', 'an address, a number or an id')
      .option('--country <code>', 'of a number without + and its country, such as DE');

  add(
    'erase',
    'erase a person, or a list of people, everywhere; ends when nothing is left in files and indexes either',
    'one JSON object; of a list one for each line',
  )
    .argument('[who]', 'an address, a number or an id')
    .option('--list <file>', 'a file with one of them a line, or - for standard input: all of them as one job')
    .option('--country <code>', 'of a number without + and its country, such as DE')
    .requiredOption('--reason <text>', 'kept with the receipt')
    .option('--dry-run', 'say what it would do, and change nothing')
    .option('--confirm', 'do it: it cannot be taken back')
    .action(async (who: string | undefined, options: EraseOptions) => {
      if ((who === undefined) === (options.list === undefined))
        throw new Error('Name a person, or a list with --list: one of the two.');
      if (who !== undefined) return asPrivacy(options, (client) => erase(client, who, options));
      const list = readList(
        options.list === '-' ? await readAll(process.stdin) : await readFile(options.list as string, 'utf8'),
      );
      return asPrivacy(options, (client) => eraseMany(client, list, options));
    });

  add('receipts', 'what was erased, the newest first')
    .option('--of <who>', 'only of this person: an id, because nothing else of them is left')
    .option('--limit <n>', 'at most so many', readCount, 50)
    .action((options: Common & { of?: string; limit: number }) =>
      asPrivacy(options, async (client) => {
        const found = await listReceipts(client, { ...(options.of && { customer: options.of }), limit: options.limit });
        if (options.json) for (const receipt of found) console.log(JSON.stringify(receipt));
        else if (found.length === 0) console.log('Nobody was erased.');
        else for (const receipt of found) showReceipt(receipt);
      }),
    );

  addWho('hold', 'keep a person from being erased, for a legal reason', 'one JSON object')
    .requiredOption('--reason <text>', 'kept with the hold')
    .option('--release', 'end every hold on this person instead')
    .action((who, options: Options & { reason: string; release?: boolean }) =>
      asPrivacy(options, async (client) => {
        const { id: customer } = await requireCustomer(client, who, options.country);
        if (options.release) return release(client, customer, options);
        const hold = await placeHold(client, customer, options.reason);
        if (options.json) console.log(JSON.stringify({ hold, customer }));
        else console.log(`Customer ${customer} is held: nobody erases them until the hold is released.`);
      }),
    );
  add('holds', 'the legal holds in force')
    .option('--all', 'also those that were released')
    .action((options: Common & { all?: boolean }) =>
      asPrivacy(options, async (client) => {
        const holds = await listHolds(client, { all: options.all === true });
        if (options.json) for (const hold of holds) console.log(JSON.stringify(hold));
        else if (holds.length === 0) console.log('Nobody is held.');
        else
          console.log(
            formatTable(
              ['hold', 'customer', 'since', 'by', 'released', 'reason'],
              holds.map((hold) => [
                hold.id,
                hold.customer_id,
                hold.held_at.toISOString(),
                hold.held_by,
                hold.released_at?.toISOString() ?? null,
                hold.reason,
              ]),
            ),
          );
      }),
    );

  add(
    'lift',
    'let a person come back who was erased: an address, a number, an id of a source, or all of a receipt',
    'one JSON object',
  )
    .argument('[who]', 'an address or a number; with --source its id there')
    .option('--receipt <id>', 'all that this erasure keeps away, also imported lines that have no address and no id')
    .requiredOption('--reason <text>', 'kept with it')
    .option('--country <code>', 'of a number without + and its country, such as DE')
    .option('--source <name>', 'where the id is from, as imports name it')
    .action((who: string | undefined, options: Options & { reason: string; source?: string; receipt?: string }) => {
      if ((who === undefined) === (options.receipt === undefined))
        throw new Error('Name an address, a number or an id, or a receipt with --receipt: one of the two.');
      return asPrivacy(options, async (client) => {
        const lifted = who
          ? await liftSuppression(client, who, options)
          : (await liftErasure(client, options.receipt as string, options.reason)) > 0;
        if (!lifted) endWith('privacy lift', 'unknown');
        if (options.json) console.log(JSON.stringify({ lifted }));
        else console.log(lifted ? 'This person may come back.' : 'Nobody is kept away by this.');
      });
    });
  add('keep', 'print who was erased, for a file beside the backups: a restore needs it').action((options: Common) =>
    asPrivacy(options, async (client) => {
      for (const each of await listErased(client)) console.log(JSON.stringify(each));
    }),
  );
  add('repeat', 'after a restore, before anything else: erase again whom a file of `keep` names', 'one JSON object')
    .argument('<file>', 'what `keep` printed')
    .action((file, options: Common) =>
      asPrivacy(options, async (client) => {
        const done = await repeatErasures(client, readErased(await readFile(file, 'utf8')));
        const { open } = await cleanUpAndSay(client);
        if (open > 0) endWith('privacy repeat', 'open');
        if (done.held.length > 0) endWith('privacy repeat', 'held');
        if (options.json) return void console.log(JSON.stringify(done));
        for (const customer of done.held)
          console.error(
            `Customer ${customer} was not erased again: a legal hold of the backup keeps them. Release it.`,
          );
        console.log(
          `${done.erased} people were erased again, ${done.unknown} came after the backup and are not there.`,
        );
      }),
    );

  add(
    'clean-up',
    'go on with what erasures that were cut off have left in files and indexes',
    'one JSON object',
  ).action((options: Common) =>
    asPrivacy(options, async (client) => {
      const done = await cleanUpAndSay(client);
      if (done.open > 0) endWith('privacy clean-up', 'open');
      if (options.json) console.log(JSON.stringify(done));
      else console.log(`${done.ended} erasures are done with${done.open > 0 ? `, ${done.open} ${waits}` : ''}.`);
    }),
  );

  add('settings', 'what erasures need, and how long backups are kept', 'one JSON object')
    .option('--two-people <yes|no>', 'whether an erasure is asked for by one person and confirmed by another', readYes)
    .option('--backups-days <n>', 'after so many days a backup is gone: receipts say on which day', readCount)
    .action((options: Common & { twoPeople?: boolean; backupsDays?: number }) =>
      asPrivacy(options, async (client) => {
        if (options.twoPeople !== undefined || options.backupsDays !== undefined)
          await client.query('select platform.set_privacy($1, $2)', [options.twoPeople, options.backupsDays]);
        const { rows } = await client.query('select two_people, backups_kept_days from platform.privacy_settings');
        const { two_people: twoPeople, backups_kept_days: backupsDays } = rows[0];
        if (options.json) return void console.log(JSON.stringify({ twoPeople, backupsDays }));
        console.log(`Erasures need ${twoPeople ? 'two people' : 'one person'}.`);
        console.log(
          backupsDays === null
            ? 'Nobody has said how long backups are kept.'
            : `Backups are kept for ${backupsDays} days.`,
        );
      }),
    );
  return privacy;
}

const waits = 'wait for an old transaction, or for a worker that reads a file: run `aether privacy clean-up` later';

/** Says on standard error who keeps former rows alive: somebody may end it. */
async function cleanUpAndSay(client: pg.Client): Promise<CleanedUp> {
  const done = await cleanUp(client, { waitMs: cleanUpWaitMs });
  for (const each of done.waitsFor ?? []) console.error(`The clean-up waits: former rows are kept by ${each}.`);
  return done;
}

async function erase(client: pg.Client, who: string, options: EraseOptions): Promise<void> {
  const { id: customer } = await requireCustomer(client, who, options.country);
  if (options.dryRun) {
    const preview = await previewErasure(client, customer);
    if (preview.hold) endWith('privacy erase', 'refused');
    if (options.json) console.log(JSON.stringify(preview));
    else showPreview(preview);
    return;
  }
  if (!options.confirm) throw new Error(unconfirmed);
  const { erasure, state, again } = await eraseCustomer(client, customer, options.reason);
  if (state !== 'asked') {
    const { open } = await cleanUpAndSay(client);
    if (open > 0) endWith('privacy erase', 'open');
  }
  const [receipt] = (await listReceipts(client, { customer })).filter((each) => each.erasure === erasure);
  if (options.json) return void console.log(JSON.stringify({ ...receipt, again }));
  if (state === 'asked') console.log('Asked for. Another person confirms it with the same command.');
  else if (again) console.log('This person was erased before.');
  if (receipt && state !== 'asked') showReceipt(receipt);
}

const unconfirmed = 'Nothing was erased. It cannot be taken back: look with --dry-run, then say --confirm.';

/** Every so many people the command says how far it is. */
const tellEvery = 100;

async function eraseMany(client: pg.Client, list: Listed[], options: EraseOptions): Promise<void> {
  const { reason, country } = options;
  let done = 0;
  const tell = () => {
    if (++done % tellEvery === 0 && !options.json) console.error(`${done} of ${list.length}`);
  };
  if (options.dryRun) {
    const preview = await previewList(client, list, { country, onLine: tell });
    if (preview.refused.length > 0) endWith('privacy erase', 'refused');
    if (options.json) console.log(JSON.stringify(preview));
    else showListPreview(preview);
    return;
  }
  if (!options.confirm) throw new Error(unconfirmed);
  const { job, before, isStopped, lines } = await eraseList(client, list, {
    reason,
    country,
    onBegin({ job, before }) {
      done = before;
      if (options.json) return;
      console.error(
        before > 0
          ? `Job ${job} goes on: ${before} of ${list.length} were done before.`
          : `Job ${job}: ${list.length} people. The same command goes on with it if it is cut off.`,
      );
    },
    onLine: tell,
  });
  const { open } = await cleanUpAndSay(client);
  if (open > 0) endWith('privacy erase', 'open');
  if (isStopped) endWith('privacy erase', 'stopped');
  if (lines.some(({ state }) => state === 'refused')) endWith('privacy erase', 'refused');
  const receipts = options.json ? await readReceipts(client, lines) : undefined;
  for (const line of lines) if (line.state !== 'open') showLine(line, receipts);
  const [erased = 0, asked = 0, refused = 0] = (['erased', 'asked', 'refused'] as const).map(
    (state) => lines.filter((each) => each.state === state).length,
  );
  if (options.json)
    return void console.log(
      JSON.stringify({ job, people: list.length, before, erased, asked, refused, stopped: isStopped, open }),
    );
  const parts = [
    `${list.length} people: ${erased} erased`,
    ...(asked > 0 ? [`${asked} asked for, which another person confirms with the same command`] : []),
    ...(refused > 0 ? [`${refused} refused, which the same command tries again`] : []),
    ...(isStopped ? ['somebody has stopped it in the console, and the same command goes on'] : []),
  ];
  console.log(`${parts.join(', ')}. ${open > 0 ? `${open} ${waits}.` : 'The clean-up is done.'}`);
}

/** The receipts of a job, the newest page first until all are there: one by one would read all receipts for each. */
async function readReceipts(client: pg.Client, lines: JobLine[]): Promise<Map<string, Receipt>> {
  const missing = new Set(lines.flatMap(({ erasure }) => erasure ?? []));
  const found = new Map<string, Receipt>();
  let before: string | undefined;
  while (missing.size > 0) {
    const page = await listReceipts(client, { ...(before && { before }), limit: 1_000 });
    for (const receipt of page) if (missing.delete(receipt.erasure)) found.set(receipt.erasure, receipt);
    before = page.at(-1)?.erasure;
    if (!before) break;
  }
  return found;
}

/** One line of a job: its receipt, or why there is none. */
function showLine(line: JobLine, receipts: Map<string, Receipt> | undefined): void {
  const { line: number, state, customer, erasure, refusal } = line;
  if (receipts) {
    const receipt = erasure === null ? null : (receipts.get(erasure) ?? null);
    return void console.log(
      JSON.stringify({ line: number, state, refusal: refusal && listRefusals[refusal], receipt }),
    );
  }
  console.log(
    refusal
      ? `line ${number}: refused. ${listRefusals[refusal]}`
      : `line ${number}: receipt ${erasure}, customer ${customer} is ${state === 'asked' ? 'asked for' : 'erased'}`,
  );
}

function showListPreview({ people, before, refused, tables, events, needsTwo }: ListPreview): void {
  if (needsTwo) console.log('Two people are needed: the first asks for it, another one confirms it.');
  console.log(`${people} people would be erased, ${before} lines name somebody of them or who was erased before.`);
  for (const { line, refusal } of refused) console.log(`line ${line} would be refused: ${listRefusals[refusal]}`);
  console.log(
    formatTable(
      ['table', 'rows', 'becomes'],
      tables.map(({ table, rows, act }) => [table, rows, words[act]]),
    ),
  );
  console.log(`events of the log: ${events} would lose what tells of the people`);
}

async function release(client: pg.Client, customer: string, { reason, json }: Common & { reason: string }) {
  const released = await releaseHoldsOf(client, customer, reason);
  if (released.length === 0) endWith('privacy hold', 'unheld');
  if (json) console.log(JSON.stringify({ customer, released }));
  else
    console.log(released.length === 0 ? `Customer ${customer} is not held.` : `Customer ${customer} is held no more.`);
}

function showPreview({ customer, people, tables, events, files, hold, asked, needsTwo }: ErasurePreview): void {
  if (hold) console.error(`It would be refused: a legal hold keeps this customer (${hold.reason}).`);
  if (asked) console.log(`${asked.by} has asked for it at ${asked.at}: ${asked.reason}`);
  else if (needsTwo) console.log('Two people are needed: the first asks for it, another one confirms it.');
  console.log(`Customer ${customer}${people.length > 1 ? `, with ${people.length - 1} merged into it` : ''}`);
  console.log(
    formatTable(
      ['table', 'rows', 'becomes', 'why'],
      tables.map(({ table, rows, act, why }) => [table, rows, words[act], why]),
    ),
  );
  console.log(`events of the log: ${events} would lose what tells of the person`);
  for (const { upload, name } of files) console.log(`stored file ${upload} (${name}) would be removed`);
}

const words = { delete: 'gone', scrub: 'scrubbed', keep: 'kept' };

function showReceipt(receipt: Receipt): void {
  const { customer, people, state, erasedAt, reason, tables, kept, subscribers, files } = receipt;
  const states = { asked: 'asked for', erased: `erased, and the clean-up is open: it ${waits}`, clean: 'erased' };
  console.log(`Receipt ${receipt.erasure}: customer ${customer} is ${states[state]}.`);
  console.log(`  reason: ${reason}`);
  console.log(`  asked for by ${receipt.askedBy} at ${receipt.askedAt}`);
  if (state === 'asked') return;
  console.log(`  erased by ${receipt.erasedBy} at ${erasedAt}; clean ${receipt.cleanAt ?? 'not yet'}`);
  if (people.length > 1) console.log(`  ids that were this person: ${people.join(', ')}`);
  for (const { table, act, rows } of tables) console.log(`  ${table}: ${rows} ${words[act]}`);
  console.log(`  stored files: ${files ?? 0} removed`);
  for (const { table, rows, why, stays } of kept)
    console.log(`  kept of ${table}: ${rows} rows${stays.length > 0 ? ` with ${stays.join(', ')}` : ''}. ${why}`);
  console.log(`  kept away: ${receipt.addresses} addresses, ${receipt.numbers} numbers, as keyed hashes`);
  for (const { kind, name, told, acknowledged } of subscribers)
    console.log(
      `  ${kind} ${name}: ${told ? (acknowledged ? 'has acknowledged' : 'has not acknowledged yet') : 'does not read erasures'}`,
    );
  console.log(`  ${receipt.webhooks}`);
  console.log(
    `  backups expire on ${receipt.backupsExpireOn ?? 'a day that no setting says (aether privacy settings)'}`,
  );
}

function readCount(text: string): number {
  if (!/^[1-9]\d{0,4}$/.test(text)) throw new InvalidArgumentError('must be a number from 1 to 99999.');
  return Number(text);
}

function readYes(text: string): boolean {
  if (text !== 'yes' && text !== 'no') throw new InvalidArgumentError('must be yes or no.');
  return text === 'yes';
}
