import type { Matchable } from '../matching/keys.ts';
import { addLine, beginGrouping, type Grouping } from './grouping.ts';
import { type ImportClient, ImportRefused } from './records.ts';

/*
 * The lines of a planned run, read again from its staging: a plan is decided again, and a what-if is answered, without the file. What is
 * compared is the same as when the plan was made (a property of the test of replans).
 */

const rowsPerFetch = 5_000;

type StagedPerson = {
  n: number;
  file: number;
  name: string | null;
  first_name: string | null;
  last_name: string | null;
  city: string | null;
  birth_date: string | null;
  external_id: string | null;
  email_key: string | null;
  phone_key: string | null;
  company: string | null;
  company_domain: string | null;
  emails: string[] | null;
  phones: string[] | null;
};

/** @throws ImportRefused if they are not kept any more: they are not logged, so a server that was not stopped properly loses them */
export async function readStaged(
  client: ImportClient,
  run: string,
  lines: number,
  signal?: AbortSignal | undefined,
): Promise<Grouping> {
  const grouping = beginGrouping();
  await client.query('begin read only');
  try {
    const { rows: counted } = await client.query<{ lines: string }>(
      `select count(*) as lines from staging.import_lines where run = ${Number(run)}`,
    );
    if (Number(counted[0]?.lines) !== lines)
      throw new ImportRefused('What was read of its files is not kept any more: plan the files again.');
    const firstFiles = await readFirstFiles(client, run);
    await client.query(`declare staged no scroll cursor for
      select n, file, name, first_name, last_name, city, birth_date, external_id, email_key, phone_key, company, company_domain,
        case when extra ? 'emails' then array(select e.value ->> 'key' from jsonb_array_elements(extra -> 'emails') e) end as emails,
        case when extra ? 'phones' then array(select p.value ->> 'key' from jsonb_array_elements(extra -> 'phones') p) end as phones
      from staging.import_lines where run = ${Number(run)} and kind = 'person' and not is_known order by n`);
    for (;;) {
      signal?.throwIfAborted();
      const { rows } = await client.query<StagedPerson>(`fetch ${rowsPerFetch} from staged`);
      for (const row of rows) addLine(grouping, row.n, personOf(row), firstFiles.get(row.file) as number);
      if (rows.length < rowsPerFetch) return grouping;
    }
  } finally {
    await client.query('rollback');
  }
}

/** A source is named by the first of its files. */
async function readFirstFiles(client: ImportClient, run: string): Promise<Map<number, number>> {
  const { rows } = await client.query<{ file: number; first: number }>(
    'select file, min(file) over (partition by source) as first from sync.import_files where run = $1',
    [run],
  );
  return new Map(rows.map(({ file, first }) => [file, first]));
}

function personOf(row: StagedPerson): Matchable {
  const emails = [...(row.email_key === null ? [] : [row.email_key]), ...(row.emails ?? [])];
  const phones = [...(row.phone_key === null ? [] : [row.phone_key]), ...(row.phones ?? [])];
  return {
    name: row.name,
    firstName: row.first_name,
    lastName: row.last_name,
    emails: emails.map((key) => ({ address: key, key })),
    phones: phones.map((key) => ({ written: key, key, extension: null, isShared: false })),
    company:
      row.company === null && row.company_domain === null
        ? null
        : { externalId: null, name: row.company, domain: row.company_domain },
    city: row.city,
    birthDate: row.birth_date,
    externalId: row.external_id,
  };
}
