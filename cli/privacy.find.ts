import { createWriteStream, existsSync } from 'node:fs';
import { rename, rm } from 'node:fs/promises';
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { openBlobs } from '@aether/files/blobs';
import {
  categories,
  exportPerson,
  type Found,
  findPerson,
  type Privacy,
  readWho,
  requirePerson,
} from '@aether/sync/privacy';
import { Command, Option } from 'commander';
import { endWith } from './exitcodes.ts';
import { actorOf } from './syncclient.ts';
import { formatTable } from './table.ts';

/** The options of every command that asks the database as privacy_app. */
export type PrivacyOptions = { url?: string; json?: boolean; actor?: string; country?: string };

const who = 'an address, a telephone number, or an id or number of a customer';

/** `aether privacy find WHO`: everything that is held about a person, by table, with why. */
export function findCommand(open: (options: PrivacyOptions) => Promise<Privacy>): Command {
  return withPrivacy(new Command('find').description('everything that is held about a person: where, how much and why'))
    .argument('<who>', who)
    .action(async (text: string, options: PrivacyOptions) => {
      const privacy = await open(options);
      try {
        const found = await privacy.with(actorOf(options), (client) =>
          findPerson(client, readWho(text, options.country)),
        );
        if (options.json) console.log(JSON.stringify(found));
        else showFound(found);
      } finally {
        await privacy.close();
      }
    });
}

/** `aether privacy export WHO --out FILE`: everything that is held about a person, as one zip. */
export function exportCommand(open: (options: PrivacyOptions) => Promise<Privacy>): Command {
  return withPrivacy(new Command('export').description('everything that is held about a person, as one zip for them'))
    .argument('<who>', who)
    .requiredOption('--out <file>', 'the zip that is written; there must be no such file')
    .option('--reason <text>', 'kept with the record of the export: the number of a request, and no name')
    .action(async (text: string, options: PrivacyOptions & { out: string; reason?: string }) => {
      if (existsSync(options.out)) throw new Error(`${options.out} is there already: name another file.`);
      const privacy = await open(options);
      try {
        await privacy.with(actorOf(options), async (client) => {
          const person = await requirePerson(client, readWho(text, options.country));
          const { zip, over, record } = await exportPerson(client, person, {
            reason: options.reason ?? null,
            blobs: await openBlobs(process.env),
          });
          await writeWhole(zip, options.out);
          await over;
          if (options.json) console.log(JSON.stringify({ file: options.out, record, customers: person.customers }));
          else console.log(`Written to ${options.out}. The export is operation ${record} of the log.`);
        });
      } finally {
        await privacy.close();
      }
    });
}

/** Writes a file that only its owner may read. One that was cut has another name, so that it never looks whole. */
async function writeWhole(content: Readable, file: string): Promise<void> {
  const part = `${file}.part`;
  try {
    await pipeline(content, createWriteStream(part, { mode: 0o600 }));
    await rename(part, file);
  } catch (error) {
    await rm(part, { force: true });
    throw error;
  }
}

/** Adds the options of every command of privacy. */
export function withPrivacy(command: Command): Command {
  return command
    .option('--url <url>', 'as privacy_app (or PRIVACY_APP_URL); by default what npm start runs')
    .option('--actor <who>', 'who does it, for the record (or AETHER_ACTOR); by default the user of this machine')
    .addOption(
      new Option('--country <code>', 'of a number without + and its country, such as DE').env('PLATFORM_PHONE_COUNTRY'),
    )
    .option('--json', 'one JSON object');
}

function showFound({ customers, person, held }: Found): void {
  if (!person) {
    console.log(`${customers.length} customers are meant. Ask again with the id of one:`);
    for (const { id, name, email } of customers) console.log(`  ${id}  ${name}, ${email}`);
    endWith('privacy find', 'several');
    return;
  }
  const [customer] = customers;
  if (customer)
    console.log(
      customer.erasedAt
        ? `Customer ${customer.id} was erased on ${customer.erasedAt.toISOString().slice(0, 10)}.`
        : `Customer ${customer.id}: ${customer.name}, ${customer.email}`,
    );
  else console.log('No customer.');
  const merged = person.customers.filter((id) => id !== customer?.id);
  if (merged.length > 0) console.log(`Merged into it: ${merged.join(', ')}`);
  if (held.length === 0) return void console.log('Nothing is held.');
  const titles = new Map(categories.map(({ name, title }) => [name, title]));
  console.log(
    formatTable(
      ['table', 'rows', 'chapter', 'why'],
      held.map(({ table, rows, category, why }) => [table, rows, titles.get(category), why]),
    ),
  );
}
