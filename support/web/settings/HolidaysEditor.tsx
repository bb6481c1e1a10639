import { ActionIcon, Button, TextInput } from '@mantine/core';
import { IconPlus, IconX } from '@tabler/icons-react';
import type { Holiday } from '../api/records.ts';
import { SpansEditor } from './OfficeHoursEditor.tsx';
import classes from './settings.module.css';

const holidaysMax = 200;

type HolidaysEditorProps = {
  holidays: Holiday[];
  errors: Record<string, string>;
  onChange: (holidays: Holiday[]) => void;
};

/** Dates on which the hours of the weekday do not hold: nobody is there, or at other hours. */
export function HolidaysEditor({ holidays, errors, onChange }: HolidaysEditorProps) {
  const set = (at: number, part: Partial<Holiday>) =>
    onChange(holidays.map((each, index) => (index === at ? { ...each, ...part } : each)));
  return (
    <div className={classes.stack}>
      <p className={classes.detail}>
        On such a date only the hours written here are worked: none, or for example until 14:00 on 24 December.
      </p>
      {holidays.length > 0 && (
        <ul className={classes.list}>
          {holidays.map(({ date, name, hours }, index) => (
            // biome-ignore lint/suspicious/noArrayIndexKey: a holiday has nothing else while it is being written
            <li key={index} className={classes.row}>
              <TextInput
                type="date"
                aria-label={`Date of holiday ${index + 1}`}
                value={date}
                error={errors[`hours.holidays[${index}].date`]}
                onChange={(event) => set(index, { date: event.currentTarget.value })}
              />
              <TextInput
                className={classes.name}
                aria-label={`Name of holiday ${index + 1}`}
                placeholder="Christmas Eve"
                maxLength={80}
                value={name}
                error={errors[`hours.holidays[${index}].name`]}
                onChange={(event) => set(index, { name: event.currentTarget.value })}
              />
              <SpansEditor
                name={name || `holiday ${index + 1}`}
                spans={hours}
                onChange={(spans) => set(index, { hours: spans })}
              />
              <ActionIcon
                aria-label={`Remove ${name || `holiday ${index + 1}`}`}
                onClick={() => onChange(holidays.filter((_, at) => at !== index))}
              >
                <IconX size={15} />
              </ActionIcon>
            </li>
          ))}
        </ul>
      )}
      {holidays.length < holidaysMax && (
        <div>
          <Button
            variant="default"
            leftSection={<IconPlus size={15} />}
            onClick={() => onChange([...holidays, { date: '', name: '', hours: [] }])}
          >
            Add a holiday
          </Button>
        </div>
      )}
    </div>
  );
}
