import { Picker } from '@aether/ui/Picker.tsx';
import { ActionIcon, NumberInput, TextInput } from '@mantine/core';
import { IconArrowDown, IconArrowUp, IconTrash } from '@tabler/icons-react';
import type { Outcome } from '../api/records.ts';
import classes from './settings.module.css';
import type { EditedStage } from './stages.ts';

type StageRowProps = {
  stage: EditedStage;
  isFirst: boolean;
  isLast: boolean;
  onChange: (stage: EditedStage) => void;
  onMove: (by: -1 | 1) => void;
  onRemove: () => void;
};

/** One stage while the pipeline is edited. */
export function StageRow({ stage, isFirst, isLast, onChange, onMove, onRemove }: StageRowProps) {
  const called = stage.name || 'the new stage';
  return (
    <div className={classes.stage}>
      <TextInput
        aria-label={`Name of ${called}`}
        placeholder="Name of the stage"
        value={stage.name}
        onChange={(event) => onChange({ ...stage, name: event.currentTarget.value })}
      />
      <NumberInput
        aria-label={`Chance of ${called} in per cent`}
        suffix=" %"
        min={0}
        max={100}
        disabled={stage.outcome !== 'open'}
        value={stage.probability_percent}
        onChange={(value) => onChange({ ...stage, probability_percent: Number(value) })}
      />
      <Picker
        aria-label={`What ${called} means`}
        data={[
          { value: 'open', label: 'Open' },
          { value: 'won', label: 'Won' },
          { value: 'lost', label: 'Lost' },
        ]}
        value={stage.outcome}
        onChange={(outcome) =>
          onChange({
            ...stage,
            outcome: outcome as Outcome,
            probability_percent: outcome === 'won' ? 100 : outcome === 'lost' ? 0 : stage.probability_percent,
          })
        }
      />
      <span>
        <ActionIcon aria-label={`Move ${called} up`} disabled={isFirst} onClick={() => onMove(-1)}>
          <IconArrowUp size={15} />
        </ActionIcon>
        <ActionIcon aria-label={`Move ${called} down`} disabled={isLast} onClick={() => onMove(1)}>
          <IconArrowDown size={15} />
        </ActionIcon>
        <ActionIcon aria-label={`Remove ${called}`} onClick={onRemove}>
          <IconTrash size={15} />
        </ActionIcon>
      </span>
    </div>
  );
}
