import { Radio, VisuallyHidden } from '@mantine/core';
import { nameApp } from '../parts/words.ts';
import { When } from '../times/When.tsx';
import classes from './merges.module.css';
import type { Choices, MergePreviewed, Names, Side, Sourced } from './queries.ts';
import { sayField, sayRows, sayValue } from './words.ts';

type MergePreviewProps = {
  preview: MergePreviewed;
  names: Names;
  /** Called with the side whose value the survivor is to get. Without it nothing can be chosen. */
  onChoose?: (field: string, side: Side) => void;
};

/**
 * Two customers side by side: each field with both values, their sources and times, and which of them goes on and why; then what moves,
 * and what does not. Where both have a value of their own, a person chooses with the arrow keys.
 */
export function MergePreview({ preview, names, onChoose }: MergePreviewProps) {
  const { survivor, loser, fields, moves, cannot } = preview;
  if (!survivor || !loser) return null;
  return (
    <>
      <section aria-label="Fields">
        <div className={classes.heads} aria-hidden>
          <span />
          <span>
            Goes on: <b>{survivor.name}</b>
          </span>
          <span>
            Is merged: <b>{loser.name}</b>
          </span>
        </div>
        <ul className={classes.fields}>
          {fields.map(({ field, survivor: ours, loser: theirs, chosen, why }) => (
            <Field
              key={field}
              field={field}
              values={{ survivor: ours, loser: theirs }}
              chosen={chosen}
              why={why}
              parties={{ survivor: survivor.name, loser: loser.name }}
              names={names}
              onChoose={onChoose}
            />
          ))}
        </ul>
      </section>
      <section aria-label="What moves" className={classes.moving}>
        <h2 className={classes.title}>What moves to {survivor.name}</h2>
        {moves.length === 0 ? (
          <p className={classes.quiet}>Nothing: {loser.name} has nothing of its own.</p>
        ) : (
          <ul className={classes.rows}>
            {moves.map(({ table, rows }) => (
              <li key={table}>{sayRows(table, rows)}</li>
            ))}
          </ul>
        )}
        {cannot.map(({ table, rows, why }) => (
          <p key={table} className={classes.quiet}>
            {sayRows(table, rows)} of {loser.name} {rows === 1 ? 'stays' : 'stay'} behind. {why}
          </p>
        ))}
      </section>
    </>
  );
}

/** The choices of a person as the server takes them: one that says what the rule says anyway is one all the same. Pure. */
export const choose = (choices: Choices, field: string, side: Side): Choices => ({ ...choices, [field]: side });

type FieldProps = {
  field: string;
  values: Record<Side, Sourced>;
  chosen: Side;
  why: string;
  parties: Record<Side, string>;
  names: Names;
  onChoose: MergePreviewProps['onChoose'];
};

function Field({ field, values, chosen, why, parties, names, onChoose }: FieldProps) {
  const isChoice = onChoose !== undefined && values.survivor !== null && values.loser !== null;
  const label = sayField(field);
  const cell = (side: Side) => {
    const value = values[side];
    const text = sayValue(field, value?.value, names);
    const source = value && (
      <span className={classes.source}>
        {nameApp(value.source)}, <When at={value.at} />
      </span>
    );
    return (
      <div className={classes.value} data-side={side} data-chosen={chosen === side && value !== null}>
        <span className={classes.party}>{parties[side]}</span>
        {isChoice ? (
          <Radio size="xs" value={side} label={text} aria-label={`${label}: ${text}, of ${parties[side]}`} />
        ) : (
          <span>{text}</span>
        )}
        {source}
      </div>
    );
  };
  const row = (
    <div className={classes.row}>
      <div className={classes.label}>
        {label}
        <span className={classes.why}>{why}</span>
      </div>
      {cell('survivor')}
      {cell('loser')}
    </div>
  );
  return (
    <li className={classes.field} data-field={field}>
      {isChoice ? (
        <Radio.Group
          value={chosen}
          onChange={(side) => onChoose(field, side as Side)}
          label={<VisuallyHidden>{label}</VisuallyHidden>}
        >
          {row}
        </Radio.Group>
      ) : (
        row
      )}
    </li>
  );
}
