import { line, object, z } from '@aether/http';
import { isTimeZone, weekdays } from './officehours.ts';

const clock = z.string().regex(/^([01]\d|2[0-3]):[0-5]\d$|^24:00$/, { error: 'must be a time of day such as 09:30' });
const span = z
  .tuple([clock, clock])
  .refine(([from, to]) => from !== to && from !== '24:00', {
    error: 'must not end when it begins: a whole day is 00:00 to 24:00',
  })
  .openapi({
    type: 'array',
    items: { type: 'string' },
    example: ['09:00', '17:00'],
    description: 'From and to. Hours that end before they begin go on until that time of the next day.',
  });
const spansMax = 4;
const holidaysMax = 200;

const timeZone = line({ charactersMax: 64 }).refine(isTimeZone, { error: 'must be a time zone such as Europe/Oslo' });

/** Hours of a week, without holidays. */
export const hoursFields = {
  time_zone: timeZone,
  days: z.partialRecord(z.enum(weekdays), z.array(span).max(spansMax)),
};

const date = z
  .string()
  .regex(/^\d{4}-\d{2}-\d{2}$/, { error: 'must be a date such as 2026-12-24' })
  .refine((given) => isDate(given), { error: 'must be a date of the calendar' });

function isDate(given: string): boolean {
  const read = new Date(`${given}T00:00:00Z`);
  return !Number.isNaN(read.getTime()) && read.toISOString().startsWith(given);
}

/** When people answer: the hours of a week, and the days on which they differ. */
export const OfficeHoursSchema = object({
  ...hoursFields,
  holidays: z
    .array(
      object({
        date,
        name: line({ charactersMax: 80 }),
        hours: z.array(span).max(spansMax).default([]).openapi({
          description: 'When people are there on that date all the same, such as until 14:00. None: not at all.',
        }),
      }),
    )
    .max(holidaysMax)
    .refine((holidays) => new Set(holidays.map((holiday) => holiday.date)).size === holidays.length, {
      error: 'must name each date once',
    })
    .default([]),
}).openapi('OfficeHours');
