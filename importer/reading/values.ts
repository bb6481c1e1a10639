import { canonicaliseEmail } from '@aether/platform';
import type { CellRemark, PersonEmail } from '../person.ts';
import { type DayOrder, dayOf, readDate } from './dates.ts';
import { cellKinds } from './rows.ts';
import { instantOf } from './zones.ts';

/** The remarks on the cells of a row. One object serves all rows of a reader, because most cells get none. */
export class Remarks {
  list: CellRemark[] = [];
  column = '';
  cell = '';

  add(code: string, message: string): void {
    this.list.push({ column: this.column, code, cell: this.cell.slice(0, 200), message });
  }
}

export const listSeparators = /\s*(?::::|[\n;,])\s*/;

export function readEmails(cell: string, emails: PersonEmail[], remarks: Remarks): void {
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
      remarks.add('exchange-address', 'This is an address within an Exchange server, no e-mail address.');
    else remarks.add('bad-email', `“${part.slice(0, 60)}” ${email.message}.`);
  }
}

function addEmail(emails: PersonEmail[], address: string, key: string): void {
  for (const email of emails) if (email.key === key) return;
  emails.push({ address, key });
}

export function readBirthDate(
  cell: string,
  kind: number,
  order: DayOrder | undefined,
  thisYear: number,
  remarks: Remarks,
): string | null {
  if (kind === cellKinds.number) {
    remarks.add('number-for-date', 'The cell is a number, and the workbook does not say that it is a date.');
    return null;
  }
  const written = readDate(cell);
  if (!written) {
    // Outlook writes 0/0/00, Google --03-15 if the year is not known.
    if (/^0+[/.-]0+[/.-]0+$/.test(cell)) return null;
    remarks.add('bad-date', /^--\d/.test(cell) ? 'The date has no year.' : 'This is no date.');
    return null;
  }
  if (written.separator !== null && !order) {
    remarks.add('day-month', 'Nobody has said whether the day or the month comes first.');
    return null;
  }
  const day = dayOf(written, order ?? 'month-first', thisYear);
  if (!day || day.year > thisYear || day.year < 1850) {
    remarks.add('bad-date', day ? 'Nobody is born then.' : 'This is no day in this order of day and month.');
    return null;
  }
  const text = `${day.year}-${two(day.month)}-${two(day.day)}`;
  if (written.shortYear) remarks.add('short-year', `The year has two digits; ${text} is meant.`);
  return text;
}

const two = (number: number): string => (number < 10 ? `0${number}` : `${number}`);

export function readInstant(
  cell: string,
  kind: number,
  order: DayOrder | undefined,
  timezone: string | undefined,
  thisYear: number,
  remarks: Remarks,
): Date | null {
  if (/^\d{9,10}$/.test(cell)) return new Date(Number(cell) * 1000);
  if (/^\d{12,13}$/.test(cell)) return new Date(Number(cell));
  if (kind === cellKinds.number) {
    remarks.add('number-for-date', 'The cell is a number, and the workbook does not say that it is a date.');
    return null;
  }
  const written = readDate(cell);
  if (!written) {
    remarks.add('bad-date', 'This is no time.');
    return null;
  }
  if (written.separator !== null && !order) {
    remarks.add('day-month', 'Nobody has said whether the day or the month comes first.');
    return null;
  }
  const day = dayOf(written, order ?? 'month-first', thisYear);
  if (!day) {
    remarks.add('bad-date', 'This is no day in this order of day and month.');
    return null;
  }
  if (written.offset === null && !timezone) {
    remarks.add('no-zone', 'Nobody has said in which time zone this is.');
    return null;
  }
  const local = Date.UTC(day.year, day.month - 1, day.day) + (written.time ?? 0);
  if (written.shortYear) remarks.add('short-year', `The year has two digits; ${day.year} is meant.`);
  return new Date(written.offset === null ? instantOf(local, timezone as string) : local - written.offset * 60_000);
}

/** The 18-character form of a 15-character id: three characters say which of the others are capitals. */
export function longSalesforceId(id: string, remarks: Remarks): string {
  if (!/^[A-Za-z0-9]{15}$/.test(id)) return id;
  const long = salesforceId18(id);
  remarks.add('salesforce-id', `The id is ${long} in its form that does not depend on capitals.`);
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
