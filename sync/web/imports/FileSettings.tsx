import { Picker } from '@aether/ui/Picker.tsx';
import { showRefusal } from '@aether/ui/toasts.tsx';
import { Waiting } from '@aether/ui/Waiting.tsx';
import { Text, TextInput } from '@mantine/core';
import { useMutation, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import parts from '../parts/parts.module.css';
import { countryChoices } from './countries.ts';
import classes from './imports.module.css';
import { Questions } from './Questions.tsx';
import { type Column, type ImportFile, type Recognition, type Settings, saveSettings } from './queries.ts';
import { fieldNames, sayRecognition, saySize } from './words.ts';

const notImported = 'none';
type FileSettingsProps = {
  file: ImportFile;
  /** The custom fields of customers. */
  fields: { key: string; label: string }[];
  /** The person may only look. */
  isLocked: boolean;
};

/** What was recognised in one file: its columns with samples and their meaning, and what has to be asked. */
export function FileSettings({ file, fields, isLocked }: FileSettingsProps) {
  const client = useQueryClient();
  const [settings, setSettings] = useState(file.settings);
  const saving = useMutation({
    mutationFn: (next: Settings) => saveSettings(file.id, next),
    scope: { id: `import file ${file.id}` },
    onError: (problem) => showRefusal('The choice was not kept', problem),
    onSettled: () => client.invalidateQueries({ queryKey: ['imports', 'several'] }),
  });
  const change = (part: Partial<Settings>) => {
    const next = { ...settings, ...part };
    setSettings(next);
    saving.mutate(next);
  };
  const { recognition } = file;
  return (
    <section aria-label={file.name} className={classes.file}>
      <h2 className={parts.title}>{file.name}</h2>
      {file.refusal && <p role="alert">{file.refusal}</p>}
      {!recognition && !file.refusal && <Waiting lines={3} />}
      {recognition && (
        <>
          <p className={parts.quiet}>
            {[...sayRecognition(recognition), saySize(file.size)].join(' · ')}
            {file.is_remembered && ' · with what was chosen the last time for these columns'}
          </p>
          <div className={classes.settings}>
            {recognition.holds === 'people' && (
              <SourceField
                value={settings.source ?? ''}
                placeholder={recognition.format ?? 'as the file is called'}
                disabled={isLocked}
                onChange={(source) => {
                  const { source: _, ...rest } = settings;
                  setSettings(rest);
                  change({ ...(source && { source }) });
                }}
              />
            )}
            {hasLocalPhones(recognition, settings) && (
              <Picker
                label="Country of telephone numbers"
                description="Of numbers without + and their country."
                placeholder="Not said: they are not read"
                data={countryChoices()}
                clearable
                disabled={isLocked}
                value={settings.phoneCountry ?? null}
                onChange={(phoneCountry) => {
                  const { phoneCountry: _, ...rest } = settings;
                  const next = phoneCountry ? { ...rest, phoneCountry } : rest;
                  setSettings(next);
                  saving.mutate(next);
                }}
              />
            )}
            <Questions recognition={recognition} settings={settings} isLocked={isLocked} onChange={change} />
          </div>
          <Columns
            recognition={recognition}
            settings={settings}
            fields={fields}
            isLocked={isLocked}
            onChange={change}
          />
        </>
      )}
    </section>
  );
}

type SourceFieldProps = { value: string; placeholder: string; disabled: boolean; onChange: (source: string) => void };

/** It is kept when the person leaves the field. */
function SourceField({ value, placeholder, disabled, onChange }: SourceFieldProps) {
  const [typed, setTyped] = useState(value);
  const isRight = typed === '' || /^[a-z0-9][a-z0-9._-]{0,59}$/.test(typed);
  return (
    <TextInput
      label="Source"
      description="A row is known again by its source and its id."
      placeholder={placeholder}
      disabled={disabled}
      value={typed}
      error={isRight ? undefined : 'Use small letters, digits, dots and hyphens.'}
      onChange={({ currentTarget }) => setTyped(currentTarget.value)}
      onBlur={() => isRight && typed !== value && onChange(typed)}
    />
  );
}

/** Some column of numbers has numbers that do not say their country. */
function hasLocalPhones({ columns }: Recognition, settings: Settings): boolean {
  return columns.some(
    (column) => fieldOf(column, settings) === 'phone' && column.shape.filled > 0 && column.shape.international < 1,
  );
}

const fieldOf = (column: Column, { mapping }: Settings): string | null => {
  const own = mapping?.find((each) => each.column === column.name);
  return own ? own.field : column.field;
};

const why = { format: 'by its format', heading: 'by its heading', values: 'by its values' } as const;

type ColumnsProps = {
  recognition: Recognition;
  settings: Settings;
  fields: FileSettingsProps['fields'];
  isLocked: boolean;
  onChange: (part: Partial<Settings>) => void;
};

function Columns({ recognition, settings, fields, isLocked, onChange }: ColumnsProps) {
  const choices = [
    { value: notImported, label: 'Not imported' },
    ...Object.entries(fieldNames).map(([value, label]) => ({ value, label })),
    ...fields.map(({ key, label }) => ({ value: `custom:${key}`, label: `${label} (custom field)` })),
  ];
  return (
    <table className={classes.columns} aria-label="Columns">
      <thead>
        <tr>
          <th scope="col">Column</th>
          <th scope="col">Values</th>
          <th scope="col" className={classes.field}>
            Becomes
          </th>
        </tr>
      </thead>
      <tbody>
        {recognition.columns.map((column) => {
          const field = fieldOf(column, settings);
          const isOwn = settings.mapping?.some((each) => each.column === column.name) ?? false;
          return (
            <tr key={column.name}>
              <td>
                <b>{column.name}</b>
                <Text size="xs" c="dimmed">
                  {Math.round(column.filled * 100)} % filled
                </Text>
              </td>
              <td className={classes.samples}>
                {column.samples.length === 0
                  ? 'empty'
                  : column.samples.slice(0, 3).map((sample) => <span key={sample}>{sample}</span>)}
              </td>
              <td className={classes.field}>
                <Picker
                  aria-label={`${column.name} becomes`}
                  size="xs"
                  data={choices}
                  disabled={isLocked}
                  value={field ?? notImported}
                  onChange={(next) =>
                    onChange({
                      mapping: [
                        ...(settings.mapping ?? []).filter((each) => each.column !== column.name),
                        { column: column.name, field: next === notImported ? null : next },
                      ],
                    })
                  }
                />
                {(isOwn || column.because) && (
                  <Text size="xs" c="dimmed" mt={2}>
                    {isOwn ? 'chosen' : column.because && why[column.because]}
                  </Text>
                )}
              </td>
            </tr>
          );
        })}
      </tbody>
    </table>
  );
}
