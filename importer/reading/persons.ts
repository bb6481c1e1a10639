import { canonicaliseEmail } from '@aether/platform';
import type { CellRemark, Person, PersonCompany, PersonEmail, PersonPhone, ReadRow } from '../person.ts';
import { type DayOrder, dayOf, readDate } from './dates.ts';
import type { RowRules } from './formats.ts';
import { companyDomainOf } from './hosts.ts';
import type { Field } from './mapping.ts';
import { phoneReader } from './phones.ts';
import { cellKinds, type RawRow, type RowRefusalCode } from './rows.ts';
import { instantOf, readZone } from './zones.ts';

/** What a person has decided about a source. */
export type Answers = {
  /** The zone of times that have none. Without it, such times are not taken over. */
  timezone?: string;
  /** By the name of a column: whether 03/04/2020 is in April or in March. Without it, such dates are not taken over. */
  dayOrder?: Record<string, DayOrder>;
};

export type MappedColumn = { name: string; key: string; field: Field | null };

/** Names and domains of companies, and addresses of users, by their id in the source. */
export type Companions = {
  companies: Map<string, { name: string | null; domain: string | null }>;
  users: Map<string, string>;
};

export type PersonOptions = {
  columns: MappedColumn[];
  rules: RowRules;
  answers: Answers;
  phoneCountry: string | undefined;
  companions?: Companions | undefined;
  /** The current year, for dates with a short year. */
  thisYear?: number;
};

const listSeparators = /\s*(?::::|[\n;,])\s*/;
const tagSeparators = /\s*(?::::|[\n;,|])\s*/;
const damagedNumber = /^\d(?:[.,]\d+)?E\+?\d+$/i;

/**
 * Makes a reader of rows: what is a person, what is rejected, what must not become a customer.
 *
 * Nothing is changed in silence. Cells lose their outer white space and become NFC; every other change has a remark on the person, and a cell
 * that cannot be read leaves its field empty, with a remark.
 */
export function personReader(options: PersonOptions): (row: RawRow) => ReadRow {
  const steps = stepsOf(options);
  const { rules } = options;
  const place = (key: string) => options.columns.findIndex((column) => column.key === key);
  const excluding = (rules.exclude ?? []).map((rule) => ({ ...rule, at: place(rule.key) })).filter(({ at }) => at >= 0);
  const readPhones = phoneReader(options.phoneCountry);
  const sharedAt = rules.sharedPhone ? place(rules.sharedPhone) : -1;
  const companyAt = (rules.companyId ?? []).map(place).find((at) => at >= 0) ?? -1;
  const ownerAt = (rules.ownerId ?? []).map(place).find((at) => at >= 0) ?? -1;
  const thisYear = options.thisYear ?? new Date().getUTCFullYear();
  const { answers, companions } = options;
  const isStarred = rules.starred === true;

  return (row) => {
    const { line, raw, cells, kinds } = row;
    if (row.refusal) return { kind: 'rejected', line, raw, ...row.refusal, ...(row.bytes ? { bytes: row.bytes } : {}) };
    const reject = (code: RowRefusalCode, reason: string): ReadRow => ({ kind: 'rejected', line, raw, code, reason });
    for (const { at, when, code, reason } of excluding)
      if (when.test((cells[at] as string).trim())) return { kind: 'excluded', line, raw, code, reason };

    const person: Person = {
      line,
      externalId: null,
      emails: [],
      phones: [],
      name: null,
      firstName: null,
      lastName: null,
      company: null,
      city: null,
      birthDate: null,
      tier: null,
      owner: null,
      language: null,
      timezone: null,
      createdAt: null,
      tags: [],
      notes: [],
      custom: {},
      remarks: row.remarks ?? [],
    };
    let isEmpty = true;
    let companyName: string | null = null;
    let companyDomain: string | null = null;

    for (const step of steps) {
      const cell = clean(cells[step.at] as string, isStarred);
      if (cell === '') continue;
      isEmpty = false;
      if (cell.includes('\0') || !cell.isWellFormed())
        return reject('control-character', `The cell of ${step.name} has a character that is no text.`);
      const remark = (code: string, message: string): CellRemark =>
        ({ column: step.name, code, cell: cell.slice(0, 200), message }) as const;
      const kind = kinds ? (kinds[step.at] as number) : cellKinds.text;
      if (kind === cellKinds.error) {
        person.remarks.push(remark('cell-error', 'The workbook has an error in the place of a value.'));
        continue;
      }
      switch (step.field) {
        case 'email':
          readEmails(cell, person.emails, person.remarks, remark);
          break;
        case 'phone': {
          const isShared = sharedAt >= 0 && /^(?:true|1)$/i.test((cells[sharedAt] as string).trim());
          const { phones, unread } = readPhones(cell, isShared);
          for (const phone of phones) addPhone(person.phones, phone);
          for (const part of unread)
            person.remarks.push(remark('bad-phone', `“${part.slice(0, 60)}” is no telephone number.`));
          break;
        }
        case 'id': {
          if (kind === cellKinds.date)
            return reject('damaged-id', `The id in ${step.name} has become a date: ${cell}.`);
          if (damagedNumber.test(cell) || (kind === cellKinds.number && /[.,]|\d{16}/.test(cell)))
            return reject('damaged-id', `The id in ${step.name} has lost digits in a spreadsheet: ${cell}.`);
          if (person.externalId !== null) keepFirst(person, person.externalId, cell, remark);
          else person.externalId = rules.salesforceIds ? longSalesforceId(cell, person.remarks, remark) : cell;
          break;
        }
        case 'birth_date': {
          const day = readBirthDate(cell, kind, answers.dayOrder?.[step.name], thisYear, person.remarks, remark);
          if (day && person.birthDate !== null) keepFirst(person, person.birthDate, day, remark);
          else if (day) person.birthDate = day;
          break;
        }
        case 'created_at': {
          const at = readInstant(
            cell,
            kind,
            answers.dayOrder?.[step.name],
            answers.timezone,
            thisYear,
            person.remarks,
            remark,
          );
          if (at && !person.createdAt) person.createdAt = at;
          break;
        }
        case 'timezone': {
          const zone = readZone(cell);
          if (!zone) person.remarks.push(remark('unknown-zone', 'This is no name of a time zone.'));
          else if (person.timezone === null) {
            person.timezone = zone.name;
            if (zone.isRails) person.remarks.push(remark('rails-zone', `The zone is ${zone.name}.`));
          }
          break;
        }
        case 'tag':
          for (const tag of cell.split(cell.includes('\n') ? '\n' : tagSeparators)) {
            const text = isStarred ? tag.replace(/^\* /, '') : tag;
            if (text !== '' && !person.tags.includes(text)) person.tags.push(text);
          }
          break;
        case 'note':
          person.notes.push(cell);
          break;
        case 'company':
          if (companyName !== null) keepFirst(person, companyName, cell, remark);
          else companyName = cell;
          break;
        case 'domain': {
          const [first = ''] = cell.split(/\s*(?::::|[\n;,])\s*/);
          const domain = companyDomainOf(first);
          if (domain === null)
            person.remarks.push(
              remark('no-company-domain', 'This is no domain of a company, or one that many companies share.'),
            );
          else companyDomain ??= domain;
          break;
        }
        case 'name':
          if (person.name !== null) keepFirst(person, person.name, cell, remark);
          else person.name = cell;
          break;
        case 'first_name':
          if (person.firstName !== null) keepFirst(person, person.firstName, cell, remark);
          else person.firstName = cell;
          break;
        case 'last_name':
          if (person.lastName !== null) keepFirst(person, person.lastName, cell, remark);
          else person.lastName = cell;
          break;
        case 'city':
          if (person.city !== null) keepFirst(person, person.city, cell, remark);
          else person.city = cell;
          break;
        case 'tier':
          if (person.tier !== null) keepFirst(person, person.tier, cell, remark);
          else person.tier = cell;
          break;
        case 'owner':
          if (person.owner !== null) keepFirst(person, person.owner, cell, remark);
          else person.owner = (step.at === ownerAt && companions?.users.get(companionKey(cell))) || cell;
          break;
        case 'language':
          if (person.language !== null) keepFirst(person, person.language, cell, remark);
          else person.language = cell;
          break;
        default:
          person.custom[step.field.slice(7)] = cell;
      }
    }
    if (isEmpty && cells.every((cell) => cell.trim() === ''))
      return { kind: 'excluded', line, raw, code: 'empty', reason: 'The row is empty.' };
    person.company = companyOf(
      companyName,
      companyDomain,
      companyAt >= 0 ? (cells[companyAt] as string).trim() : '',
      companions,
    );
    if (isNobody(person))
      return reject('nobody', 'The row has neither an id nor an address, a telephone number or a name.');
    return { kind: 'person', line, raw, person };
  };
}

type Step = { at: number; name: string; field: Field };
type Remark = (code: string, message: string) => CellRemark;

function stepsOf({ columns }: PersonOptions): Step[] {
  return columns.flatMap(({ name, field }, at) => (field === null ? [] : [{ at, name, field }]));
}

/** Without outer white space, in NFC. Most cells are short ASCII without either. */
function clean(cell: string, isStarred: boolean): string {
  const { length } = cell;
  if (length === 0) return '';
  let text = cell;
  const first = cell.charCodeAt(0);
  const last = cell.charCodeAt(length - 1);
  if (first <= 32 || first > 126 || last <= 32 || last > 126) text = cell.trim();
  if (isStarred && text.startsWith('* ')) text = text.slice(2);
  return /[^\0-\u02ff]/.test(text) ? text.normalize('NFC') : text;
}

function readEmails(cell: string, emails: PersonEmail[], remarks: CellRemark[], remark: Remark): void {
  const whole = canonicaliseEmail(cell);
  if (whole.ok) {
    addEmail(emails, whole.address, whole.key);
    return;
  }
  for (const part of cell.split(listSeparators)) {
    if (part === '') continue;
    const email = canonicaliseEmail(part);
    if (email.ok) addEmail(emails, email.address, email.key);
    else if (/^\/o=/i.test(part))
      remarks.push(remark('exchange-address', 'This is an address within an Exchange server, no e-mail address.'));
    else remarks.push(remark('bad-email', `“${part.slice(0, 60)}” ${email.message}.`));
  }
}

function addEmail(emails: PersonEmail[], address: string, key: string): void {
  for (const email of emails) if (email.key === key) return;
  emails.push({ address, key });
}

function addPhone(phones: PersonPhone[], phone: PersonPhone): void {
  for (const known of phones)
    if (
      known.key === phone.key &&
      known.extension === phone.extension &&
      (known.key || known.written === phone.written)
    )
      return;
  phones.push(phone);
}

/** Of two columns with the same meaning, the first one that is filled counts. */
function keepFirst(person: Person, kept: string, cell: string, remark: Remark): void {
  if (kept !== cell) person.remarks.push(remark('second-value', `An earlier column says “${kept.slice(0, 60)}”.`));
}

function readBirthDate(
  cell: string,
  kind: number,
  order: DayOrder | undefined,
  thisYear: number,
  remarks: CellRemark[],
  remark: Remark,
): string | null {
  if (kind === cellKinds.number) {
    remarks.push(remark('number-for-date', 'The cell is a number, and the workbook does not say that it is a date.'));
    return null;
  }
  const written = readDate(cell);
  if (!written) {
    // Outlook writes 0/0/00, Google --03-15 if the year is not known.
    if (/^0+[/.-]0+[/.-]0+$/.test(cell)) return null;
    remarks.push(remark('bad-date', /^--\d/.test(cell) ? 'The date has no year.' : 'This is no date.'));
    return null;
  }
  if (written.separator !== null && !order) {
    remarks.push(remark('day-month', 'Nobody has said whether the day or the month comes first.'));
    return null;
  }
  const day = dayOf(written, order ?? 'month-first', thisYear);
  if (!day || day.year > thisYear || day.year < 1850) {
    remarks.push(remark('bad-date', day ? 'Nobody is born then.' : 'This is no day in this order of day and month.'));
    return null;
  }
  const text = `${day.year}-${two(day.month)}-${two(day.day)}`;
  if (written.shortYear) remarks.push(remark('short-year', `The year has two digits; ${text} is meant.`));
  return text;
}

const two = (number: number): string => (number < 10 ? `0${number}` : `${number}`);

function readInstant(
  cell: string,
  kind: number,
  order: DayOrder | undefined,
  timezone: string | undefined,
  thisYear: number,
  remarks: CellRemark[],
  remark: Remark,
): Date | null {
  if (/^\d{9,10}$/.test(cell)) return new Date(Number(cell) * 1000);
  if (/^\d{12,13}$/.test(cell)) return new Date(Number(cell));
  if (kind === cellKinds.number) {
    remarks.push(remark('number-for-date', 'The cell is a number, and the workbook does not say that it is a date.'));
    return null;
  }
  const written = readDate(cell);
  if (!written) {
    remarks.push(remark('bad-date', 'This is no time.'));
    return null;
  }
  if (written.separator !== null && !order) {
    remarks.push(remark('day-month', 'Nobody has said whether the day or the month comes first.'));
    return null;
  }
  const day = dayOf(written, order ?? 'month-first', thisYear);
  if (!day) {
    remarks.push(remark('bad-date', 'This is no day in this order of day and month.'));
    return null;
  }
  if (written.offset === null && !timezone) {
    remarks.push(remark('no-zone', 'Nobody has said in which time zone this is.'));
    return null;
  }
  const local = Date.UTC(day.year, day.month - 1, day.day) + (written.time ?? 0);
  if (written.shortYear) remarks.push(remark('short-year', `The year has two digits; ${day.year} is meant.`));
  return new Date(written.offset === null ? instantOf(local, timezone as string) : local - written.offset * 60_000);
}

/** The 18-character form of a 15-character id: three characters say which of the others are capitals. */
function longSalesforceId(id: string, remarks: CellRemark[], remark: Remark): string {
  if (!/^[A-Za-z0-9]{15}$/.test(id)) return id;
  const long = salesforceId18(id);
  remarks.push(remark('salesforce-id', `The id is ${long} in its form that does not depend on capitals.`));
  return long;
}

export function salesforceId18(id: string): string {
  let suffix = '';
  for (let part = 0; part < 15; part += 5) {
    let bits = 0;
    for (let place = 0; place < 5; place += 1) if (/[A-Z]/.test(id[part + place] as string)) bits |= 1 << place;
    suffix += 'ABCDEFGHIJKLMNOPQRSTUVWXYZ012345'[bits];
  }
  return id + suffix;
}

/** The id by which a row of a list beside this source is found: Salesforce's short and long forms are the same. */
export const companionKey = (id: string): string => (/^00[15][A-Za-z0-9]{12}$/.test(id) ? salesforceId18(id) : id);

function companyOf(
  name: string | null,
  domain: string | null,
  id: string,
  companions: Companions | undefined,
): PersonCompany | null {
  if (id !== '') {
    const known = companions?.companies.get(companionKey(id));
    return { externalId: companionKey(id), name: name ?? known?.name ?? null, domain: domain ?? known?.domain ?? null };
  }
  return name !== null || domain !== null ? { externalId: null, name, domain } : null;
}

const isNobody = (person: Person): boolean =>
  person.emails.length === 0 &&
  person.externalId === null &&
  person.phones.length === 0 &&
  person.name === null &&
  person.firstName === null &&
  person.lastName === null;
