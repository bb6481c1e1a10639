import type { Person, PersonPhone, ReadRow } from '../person.ts';
import { digestOf } from './knownlines.ts';

/*
 * A line of a file as COPY takes it. What the database would refuse is decided here, because a plan says what applying it will do: a name
 * that no customer may have rejects the line; a language or a time zone in no known form stays out, and the line says so.
 */

/** The columns in their order; those of staging.import_lines without `run`. */
export const stagedColumns =
  'run, n, file, line, kind, code, reason, raw, first_name, last_name, city, birth_date, external_id, email, email_key, name, phone, phone_key, phone_extension, ' +
  'company, company_domain, tier, owner, language, timezone, created_at, extra, digest, is_known';

const nothing = '\\N';
const escaped: Record<string, string> = { '\\': '\\\\', '\n': '\\n', '\r': '\\r', '\t': '\\t' };
const needsEscape = /[\\\n\r\t]/;
const languageForm = /^[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8}){0,4}$/;
const timezoneForm = /^[A-Za-z][A-Za-z0-9_+/-]{0,63}$/;
/** What platform.is_line refuses. */
const unfitLine = /\p{Cc}|^\s|\s$/u;
/** Longer ones do not fit into the index of the keys. */
const idMax = 500;
const [firstTime, endTime] = [Date.UTC(1900, 0, 1), Date.UTC(3000, 0, 1)];

export type StagedRow = {
  /** The line up to its facts, and those: what COPY takes, but for the last two columns. */
  text: string;
  /** Of a person: what the line is known by when it comes again. Null: the line is no person. */
  key: { externalId: string | null; emailKey: string | null; digest: bigint } | null;
  /** The person as it is staged, which is what is compared. */
  person: Person | null;
};

/** @param run and n of the line: which one of the run it is, counted over all files. */
export function stageRow(run: string, n: number, file: number, row: ReadRow): StagedRow {
  const head = `${run}\t${n}\t${file}\t${row.line}\t`;
  if (row.kind !== 'person') {
    const rest = row.bytes ? noFacts + bytesOf(row.bytes) : noPerson;
    return {
      key: null,
      person: null,
      text: `${head}${row.kind}\t${text(row.code)}\t${text(row.reason)}\t${text(row.raw)}${rest}`,
    };
  }
  const person = fitted(row.person);
  const name = nameOf(person);
  const refusal = refuseName(name);
  if (refusal)
    return { key: null, person: null, text: `${head}rejected\tname\t${text(refusal)}\t${text(row.raw)}${noPerson}` };
  if (person.externalId !== null && person.externalId.length > idMax)
    return {
      key: null,
      person: null,
      text: `${head}rejected\tlong-id\tThe id is longer than ${idMax} characters.\t${text(row.raw)}${noPerson}`,
    };
  const [email] = person.emails;
  const phone = person.phones.find(({ key, isShared }) => key !== null && !isShared);
  const language = fits(person.language, languageForm);
  const timezone = fits(person.timezone, timezoneForm);
  let facts = '';
  for (const fact of [
    ...[person.externalId, email?.address, email?.key, name, phone?.written, phone?.key, phone?.extension],
    ...[person.company?.name, person.company?.domain, person.tier, person.owner, language, timezone],
  ])
    facts += `${text(fact)}\t`;
  facts += `${time(person.createdAt)}\t${extraOf(person, phone)}`;
  const compared = [person.firstName, person.lastName, person.city, person.birthDate].map(text).join('\t');
  return {
    person,
    key: { externalId: person.externalId, emailKey: email?.key ?? null, digest: digestOf(facts) },
    text: `${head}person\t${nothing}\t${nothing}\t${text(row.raw)}\t${compared}\t${facts}`,
  };
}

/** The whole line for COPY. @param isKnown whether it was imported before and has not changed */
export const lineOf = ({ text, key }: StagedRow, isKnown: boolean): string =>
  key === null ? `${text}\t${nothing}\tf\n` : `${text}\t${key.digest}\t${isKnown ? 't' : 'f'}\n`;

const noFacts = `\t${nothing}`.repeat(18);
const noPerson = `${noFacts}\t${nothing}`;
/** A line that is no text of its encoding is kept as its bytes. */
const bytesOf = (bytes: Uint8Array) => `\t${JSON.stringify({ bytes: Buffer.from(bytes).toString('base64') })}`;

function text(value: string | null | undefined): string {
  if (value === null || value === undefined || value === '') return nothing;
  if (!needsEscape.test(value) && !value.includes('\0')) return value;
  return value.replaceAll('\0', '').replace(/[\\\n\r\t]/g, (character) => escaped[character] as string);
}

function time(at: Date | null): string {
  if (at === null) return nothing;
  const ms = at.getTime();
  return ms >= firstTime && ms < endTime ? at.toISOString() : nothing;
}

function nameOf({ name, firstName, lastName }: Person): string | null {
  return name ?? ([firstName, lastName].filter(Boolean).join(' ') || null);
}

/** What the database takes of a line: one cell that it refuses would keep the whole run from being applied. */
function fitted(person: Person): Person {
  const { company, tier, owner, phones } = person;
  const isFit =
    (company === null || company.name === null || fitsLine(company.name, 200)) &&
    (tier === null || fitsLine(tier, 200)) &&
    (owner === null || fitsLine(owner, 254));
  if (isFit && phones.every(fitsPhone)) return person;
  const remarks = [...person.remarks];
  const take = (column: string, value: string | null, charactersMax: number): string | null => {
    if (value === null || fitsLine(value, charactersMax)) return value;
    const message = `It is longer than ${charactersMax} characters or has a line break, and is left out.`;
    remarks.push({ column, code: 'unfit', cell: value.slice(0, 200), message });
    return null;
  };
  const fit = (phone: PersonPhone): PersonPhone => {
    if (fitsPhone(phone)) return phone;
    const message = 'The number is kept as its digits, without the words around it.';
    remarks.push({ column: 'phone', code: 'unfit', cell: phone.written.slice(0, 200), message });
    return { ...phone, written: phone.extension ? `${phone.key} x${phone.extension}` : (phone.key as string) };
  };
  return {
    ...person,
    company: company && { ...company, name: take('company', company.name, 200) },
    tier: take('tier', tier, 200),
    owner: take('owner', owner, 254),
    phones: phones.map(fit),
    remarks,
  };
}

const fitsLine = (value: string, charactersMax: number) =>
  (value.length <= charactersMax || [...value].length <= charactersMax) && !unfitLine.test(value);

/** What platform.is_phone and its column ask of a number. */
function fitsPhone({ written, key, extension }: PersonPhone): boolean {
  if (key === null) return true;
  if (!fitsLine(written, 40)) return false;
  return /[^ -~]/.test(written) || written.replace(/\D/g, '').endsWith(key.slice(-4) + (extension ?? ''));
}

function refuseName(name: string | null): string | undefined {
  if (name === null) return undefined;
  if (name.length > 200 && [...name].length > 200) return 'The name is longer than 200 characters.';
  if (unfitLine.test(name)) return 'The name has a line break, a control character or a blank at its end.';
  return undefined;
}

const fits = (value: string | null, form: RegExp) => (value !== null && form.test(value) ? value : null);

/** What has no column of its own; most rows have none of it. A place of birth or of living is a custom field, if there is one of that name. */
function extraOf(person: Person, phone: Person['phones'][number] | undefined): string {
  const { emails, phones, tags, notes, city, birthDate, custom, remarks } = person;
  const isPlain =
    emails.length < 2 &&
    phones.length < 2 &&
    (phones.length === 0 || phone !== undefined) &&
    tags.length + notes.length + remarks.length === 0 &&
    city === null &&
    birthDate === null;
  let hasCustom = false;
  for (const _ in custom) hasCustom = true;
  if (isPlain && !hasCustom) return nothing;
  const facts = { ...custom, ...(city !== null && { city }), ...(birthDate !== null && { birth_date: birthDate }) };
  const others = phones.filter((each) => each !== phone && each.key !== null && !each.isShared);
  const unread = phones.filter((each) => each.key === null || each.isShared);
  return text(
    JSON.stringify({
      ...(emails.length > 1 && { emails: emails.slice(1).map(({ address, key }) => ({ address, key })) }),
      ...(others.length > 0 && {
        phones: others.map(({ written, key, extension }) => ({ phone: written, key, extension })),
      }),
      ...(tags.length > 0 && { tags }),
      ...(notes.length > 0 && { notes }),
      ...(Object.keys(facts).length > 0 && { custom: facts }),
      ...(unread.length > 0 && { unread: unread.map(({ written }) => written) }),
      ...(remarks.length > 0 && { remarks }),
    }),
  );
}
