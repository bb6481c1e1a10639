import { fromCell } from '@aether/platform/spreadsheet';
import type { Person, PersonCompany, PersonPhone, ReadRow } from '../person.ts';
import type { DayOrder } from './dates.ts';
import type { RowRules } from './formats.ts';
import type { Field } from './mapping.ts';
import { phoneReader } from './phones.ts';
import { cellKinds, type RawRow, type RowRefusalCode } from './rows.ts';
import { longSalesforceId, Remarks, readBirthDate, readEmails, readInstant, salesforceId18 } from './values.ts';
import { readZone } from './zones.ts';

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
  /** Of hosts.ts, which is loaded only where people are read. */
  companyDomainOf: (text: string) => string | null;
  /** The current year, for dates with a short year. */
  thisYear?: number;
};

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
  const { answers, companions, companyDomainOf } = options;
  const isStarred = rules.starred === true;

  const remarks = new Remarks();

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
    remarks.list = person.remarks;
    let isEmpty = true;
    let companyName: string | null = null;
    let companyDomain: string | null = null;

    for (const step of steps) {
      let cell = clean(cells[step.at] as string, isStarred);
      if (cell === '') continue;
      isEmpty = false;
      if (cell.includes('\0') || !cell.isWellFormed())
        return reject('control-character', `The cell of ${step.name} has a character that is no text.`);
      remarks.column = step.name;
      remarks.cell = cell;
      // The apostrophe with which files for spreadsheets keep them from running a formula.
      if (cell.charCodeAt(0) === 39 && fromCell(cell) !== cell) {
        cell = fromCell(cell);
        if (!rules.marksFormulas) remarks.add('formula-mark', 'The apostrophe before a sign of a formula is left out.');
      }
      const kind = kinds ? (kinds[step.at] as number) : cellKinds.text;
      if (kind === cellKinds.error) {
        remarks.add('cell-error', 'The workbook has an error in the place of a value.');
        continue;
      }
      switch (step.field) {
        case 'email':
          readEmails(cell, person.emails, remarks);
          break;
        case 'phone': {
          const isShared = sharedAt >= 0 && /^(?:true|1)$/i.test((cells[sharedAt] as string).trim());
          const { phones, unread } = readPhones(cell, isShared);
          for (const phone of phones) addPhone(person.phones, phone);
          for (const part of unread) remarks.add('bad-phone', `“${part.slice(0, 60)}” is no telephone number.`);
          break;
        }
        case 'id': {
          if (kind === cellKinds.date)
            return reject('damaged-id', `The id in ${step.name} has become a date: ${cell}.`);
          if (damagedNumber.test(cell) || (kind === cellKinds.number && /[.,]|\d{16}/.test(cell)))
            return reject('damaged-id', `The id in ${step.name} has lost digits in a spreadsheet: ${cell}.`);
          if (person.externalId !== null) keepFirst(person.externalId, cell, remarks);
          else person.externalId = rules.salesforceIds ? longSalesforceId(cell, remarks) : cell;
          break;
        }
        case 'birth_date': {
          const day = readBirthDate(cell, kind, answers.dayOrder?.[step.name], thisYear, remarks);
          if (day && person.birthDate !== null) keepFirst(person.birthDate, day, remarks);
          else if (day) person.birthDate = day;
          break;
        }
        case 'created_at': {
          const at = readInstant(cell, kind, answers.dayOrder?.[step.name], answers.timezone, thisYear, remarks);
          if (at && !person.createdAt) person.createdAt = at;
          break;
        }
        case 'timezone': {
          const zone = readZone(cell);
          if (!zone) remarks.add('unknown-zone', 'This is no name of a time zone.');
          else if (person.timezone === null) {
            person.timezone = zone.name;
            if (zone.isRails) remarks.add('rails-zone', `The zone is ${zone.name}.`);
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
          if (companyName !== null) keepFirst(companyName, cell, remarks);
          else companyName = cell;
          break;
        case 'domain': {
          const [first = ''] = cell.split(/\s*(?::::|[\n;,])\s*/);
          const domain = companyDomainOf(first);
          if (domain === null)
            remarks.add('no-company-domain', 'This is no domain of a company, or one that many companies share.');
          else companyDomain ??= domain;
          break;
        }
        case 'name':
          if (person.name !== null) keepFirst(person.name, cell, remarks);
          else person.name = cell;
          break;
        case 'first_name':
          if (person.firstName !== null) keepFirst(person.firstName, cell, remarks);
          else person.firstName = cell;
          break;
        case 'last_name':
          if (person.lastName !== null) keepFirst(person.lastName, cell, remarks);
          else person.lastName = cell;
          break;
        case 'city':
          if (person.city !== null) keepFirst(person.city, cell, remarks);
          else person.city = cell;
          break;
        case 'tier':
          if (person.tier !== null) keepFirst(person.tier, cell, remarks);
          else person.tier = cell;
          break;
        case 'owner':
          if (person.owner !== null) keepFirst(person.owner, cell, remarks);
          else person.owner = (step.at === ownerAt && companions?.users.get(companionKey(cell))) || cell;
          break;
        case 'language':
          if (person.language !== null) keepFirst(person.language, cell, remarks);
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
function keepFirst(kept: string, cell: string, remarks: Remarks): void {
  if (kept !== cell) remarks.add('second-value', `An earlier column says “${kept.slice(0, 60)}”.`);
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
