import { TextInput } from '@mantine/core';
import { Picker } from '../Picker.tsx';
import classes from './reports.module.css';
import { type Days, type SpanName, type SpanSearch, spanLabels, spanNames } from './spans.ts';

type SpanPickerProps = {
  search: SpanSearch;
  fallback: SpanName;
  days: Days;
  onChange: (search: SpanSearch) => void;
};

/** The span of a report: a preset, or two days. */
export function SpanPicker({ search, fallback, days, onChange }: SpanPickerProps) {
  const isOwn = search.from !== undefined;
  const pick = (part: Partial<Days>) => {
    const next = { ...days, ...part };
    // A day that is typed is unfinished for a while.
    if (next.from && next.to && next.from <= next.to) onChange({ span: undefined, ...next });
  };
  return (
    <>
      <Picker
        aria-label="Span of time"
        w={150}
        data={[
          ...spanNames.map((name) => ({ value: name, label: spanLabels[name] })),
          ...(isOwn ? [{ value: 'own', label: 'Own days' }] : []),
        ]}
        value={isOwn ? 'own' : (search.span ?? fallback)}
        onChange={(name) => name !== 'own' && onChange({ span: name as SpanName, from: undefined, to: undefined })}
      />
      <span className={classes.days}>
        <TextInput
          type="date"
          aria-label="From"
          value={days.from}
          max={days.to}
          onChange={(event) => pick({ from: event.currentTarget.value })}
        />
        <TextInput
          type="date"
          aria-label="To"
          value={days.to}
          min={days.from}
          onChange={(event) => pick({ to: event.currentTarget.value })}
        />
      </span>
    </>
  );
}
