import { Picker } from '@aether/ui/Picker.tsx';
import { TextInput } from '@mantine/core';
import type { TimelineFilters } from '../api/timeline.ts';
import { PersonPicker } from '../inputs/Picker.tsx';
import { FilterMenu } from '../views/FilterMenu.tsx';
import { activityTypes } from './activitytypes.tsx';
import classes from './timeline.module.css';

const kinds = [
  { value: undefined, label: 'Everything' },
  { value: 'activity', label: 'Activities' },
  { value: 'deal', label: 'Deals' },
  { value: 'field', label: 'Fields' },
] as const;

const none = { type: undefined, app: undefined, person: undefined, since: undefined, until: undefined };

type TimelineFilterBarProps = { filters: TimelineFilters; onChange: (part: TimelineFilters) => void };

/** The filters of the timeline: one click for a kind, the other filters behind a button. */
export function TimelineFilterBar({ filters, onChange: change }: TimelineFilterBarProps) {
  const inside = { withinPortal: false };
  const count = Object.keys(none).filter((name) => filters[name as keyof TimelineFilters] !== undefined).length;
  return (
    <div className={classes.bar}>
      <fieldset className={classes.kinds} aria-label="Kind">
        {kinds.map(({ value, label }) => (
          <button
            key={label}
            type="button"
            className={classes.kind}
            aria-pressed={filters.kind === value}
            onClick={() => change({ kind: value, type: undefined })}
          >
            {label}
          </button>
        ))}
      </fieldset>
      <FilterMenu count={count} onClear={() => change(none)}>
        <Picker
          label="Type of activity"
          placeholder="Any"
          clearable
          comboboxProps={inside}
          data={Object.entries(activityTypes).map(([value, { label }]) => ({ value, label }))}
          value={filters.type ?? null}
          onChange={(type) => change({ type: type ?? undefined, kind: type ? 'activity' : filters.kind })}
        />
        <Picker
          label="App"
          placeholder="Both"
          clearable
          comboboxProps={inside}
          data={[
            { value: 'foundation', label: 'Foundation' },
            { value: 'support', label: 'Support' },
          ]}
          value={filters.app ?? null}
          onChange={(app) => change({ app: (app as TimelineFilters['app']) ?? undefined })}
        />
        <PersonPicker
          isFilter
          label="Person"
          placeholder="Anybody"
          comboboxProps={inside}
          value={filters.person ?? null}
          onChange={(person) => change({ person: person ?? undefined })}
        />
        <TextInput
          label="From"
          type="date"
          value={filters.since ?? ''}
          onChange={(event) => change({ since: event.currentTarget.value || undefined })}
        />
        <TextInput
          label="Before"
          type="date"
          value={filters.until ?? ''}
          onChange={(event) => change({ until: event.currentTarget.value || undefined })}
        />
      </FilterMenu>
    </div>
  );
}
