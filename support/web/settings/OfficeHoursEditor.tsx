import { Picker } from '@aether/ui/Picker.tsx';
import { ActionIcon, Button, Switch } from '@mantine/core';
import { IconCopy, IconPlus, IconX } from '@tabler/icons-react';
import type { OfficeHours, Span, WeekDay } from '../api/records.ts';
import { weekDays } from '../api/records.ts';
import { listTimeZones } from '../context/places.ts';
import { dayNames, workingHours } from './rules.ts';
import classes from './settings.module.css';

type OfficeHoursEditorProps = { hours: OfficeHours | null; onChange: (hours: OfficeHours | null) => void };

const own = Intl.DateTimeFormat().resolvedOptions().timeZone;
const spansMax = 4;

/** When people answer; without office hours they always do. */
export function OfficeHoursEditor({ hours, onChange }: OfficeHoursEditorProps) {
  const setDay = (day: WeekDay, spans: Span[]) =>
    hours && onChange({ ...hours, days: { ...hours.days, [day]: spans } });
  return (
    <div className={classes.stack}>
      <Switch
        size="sm"
        label={hours ? 'People are there at these hours' : 'People are always there'}
        checked={hours !== null}
        onChange={(event) => onChange(event.currentTarget.checked ? workingHours(own) : null)}
      />
      {hours && (
        <>
          <Picker
            label="Time zone of the desk"
            data={listTimeZones(hours.time_zone)}
            value={hours.time_zone}
            onChange={(time_zone) => time_zone && onChange({ ...hours, time_zone })}
          />
          <div>
            {weekDays.map((day) => (
              <Day key={day} day={day} spans={hours.days[day] ?? []} onChange={(spans) => setDay(day, spans)} />
            ))}
          </div>
          <div>
            <Button
              variant="default"
              leftSection={<IconCopy size={15} />}
              onClick={() => {
                const monday = hours.days.mon ?? [];
                const week = Object.fromEntries(weekDays.slice(0, 5).map((day) => [day, monday]));
                onChange({ ...hours, days: { ...hours.days, ...week } });
              }}
            >
              Monday’s hours for the whole week
            </Button>
          </div>
        </>
      )}
    </div>
  );
}

function Day({ day, spans, onChange }: { day: WeekDay; spans: Span[]; onChange: (spans: Span[]) => void }) {
  return (
    <div className={classes.day}>
      <span className={classes.detail}>{dayNames[day]}</span>
      <SpansEditor name={dayNames[day]} spans={spans} onChange={onChange} />
    </div>
  );
}

type SpansEditorProps = { name: string; spans: Span[]; onChange: (spans: Span[]) => void };

/** The hours of a day. */
export function SpansEditor({ name, spans, onChange }: SpansEditorProps) {
  const set = (at: number, span: Span) => onChange(spans.map((each, index) => (index === at ? span : each)));
  return (
    <span className={classes.spans}>
      {spans.length === 0 && <span className={classes.detail}>Closed</span>}
      {spans.map(([from, to], index) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: two spans may be alike, and have nothing else
        <span key={index} className={classes.span}>
          <input
            type="time"
            aria-label={`${name} from`}
            value={from}
            onChange={(event) => set(index, [event.currentTarget.value, to])}
          />
          to
          <input
            type="time"
            aria-label={`${name} to`}
            value={to === '24:00' ? '00:00' : to}
            onChange={({ currentTarget: { value } }) => set(index, [from, value === '00:00' ? '24:00' : value])}
          />
          {(to === '24:00' || (to !== '' && to < from)) && (
            <span className={classes.detail}>{to === '24:00' ? 'midnight' : 'next day'}</span>
          )}
          <ActionIcon
            size="sm"
            aria-label={`Remove these hours of ${name}`}
            onClick={() => onChange(spans.filter((_, at) => at !== index))}
          >
            <IconX size={14} />
          </ActionIcon>
        </span>
      ))}
      {spans.length < spansMax && (
        <ActionIcon
          size="sm"
          aria-label={`Add hours on ${name}`}
          onClick={() => onChange([...spans, spans.length === 0 ? ['09:00', '17:00'] : ['18:00', '20:00']])}
        >
          <IconPlus size={14} />
        </ActionIcon>
      )}
    </span>
  );
}
