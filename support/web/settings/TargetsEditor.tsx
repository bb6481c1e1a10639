import { NumberInput, SegmentedControl, Switch } from '@mantine/core';
import type { Targets } from '../api/records.ts';
import { formatLeft } from '../desk/deadlines.ts';
import { priorities, priorityNames } from '../desk/priorities.ts';
import classes from './settings.module.css';

type TargetsEditorProps = { targets: Targets | null; onChange: (targets: Targets | null) => void };
type Field = 'first_response' | 'resolution';

const usual: Targets = { first_response: 30, resolution: 480, clock: 'office', warn_minutes: 15, priorities: {} };
const fields: [field: Field, label: string][] = [
  ['first_response', 'First answer'],
  ['resolution', 'End'],
];

/** How soon visitors are to be answered and helped; a priority may have targets of its own. */
export function TargetsEditor({ targets, onChange }: TargetsEditorProps) {
  return (
    <div className={classes.stack}>
      <Switch
        size="sm"
        label={targets ? 'There are targets' : 'There are no targets'}
        checked={targets !== null}
        onChange={(event) => onChange(event.currentTarget.checked ? usual : null)}
      />
      {targets && (
        <>
          <SegmentedControl
            aria-label="Which minutes count"
            data={[
              { value: 'office', label: 'Minutes of office hours' },
              { value: 'always', label: 'All minutes' },
            ]}
            value={targets.clock}
            onChange={(clock) => onChange({ ...targets, clock: clock as Targets['clock'] })}
          />
          <table className={classes.targets}>
            <thead>
              <tr>
                <th scope="col">Within minutes</th>
                {fields.map(([field, label]) => (
                  <th key={field} scope="col">
                    {label}
                  </th>
                ))}
              </tr>
            </thead>
            <tbody>
              <tr>
                <th scope="row">All</th>
                {fields.map(([field, label]) => (
                  <td key={field}>
                    <Minutes
                      label={`${label} of all, in minutes`}
                      placeholder="No target"
                      value={targets[field]}
                      onChange={(minutes) => onChange({ ...targets, [field]: minutes })}
                    />
                  </td>
                ))}
              </tr>
              {priorities.toReversed().map((priority) => (
                <tr key={priority}>
                  <th scope="row">{priorityNames[priority]}</th>
                  {fields.map(([field, label]) => (
                    <td key={field}>
                      <Minutes
                        label={`${label} of priority ${priorityNames[priority]}, in minutes`}
                        placeholder="As all"
                        value={targets.priorities?.[priority]?.[field] ?? null}
                        onChange={(minutes) =>
                          onChange({
                            ...targets,
                            priorities: {
                              ...targets.priorities,
                              [priority]: { ...targets.priorities?.[priority], [field]: minutes ?? undefined },
                            },
                          })
                        }
                      />
                    </td>
                  ))}
                </tr>
              ))}
            </tbody>
          </table>
          <NumberInput
            label="Tell the agent so many minutes before"
            description="In their inbox. Of a conversation that nobody has, the whole team is told."
            min={1}
            max={1_440}
            allowDecimal={false}
            value={targets.warn_minutes}
            onChange={(minutes) => onChange({ ...targets, warn_minutes: Number(minutes) || 1 })}
          />
        </>
      )}
    </div>
  );
}

type MinutesProps = {
  label: string;
  placeholder: string;
  value: number | null;
  onChange: (minutes: number | null) => void;
};

function Minutes({ label, placeholder, value, onChange }: MinutesProps) {
  return (
    <NumberInput
      aria-label={label}
      placeholder={placeholder}
      min={1}
      max={86_400}
      allowDecimal={false}
      hideControls
      rightSection={
        value !== null && value >= 60 && <span className={classes.detail}>{formatLeft(value * 60_000)}</span>
      }
      rightSectionWidth={value !== null && value >= 60 ? 92 : 0}
      value={value ?? ''}
      onChange={(given) => onChange(given === '' ? null : Math.max(1, Number(given)))}
    />
  );
}
