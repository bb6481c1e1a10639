import { Picker } from '@aether/ui/Picker.tsx';
import { Text } from '@mantine/core';
import type { Stage } from '../api/records.ts';
import classes from './settings.module.css';
import type { EditedStage } from './stages.ts';

type WhereToProps = {
  stage: Stage;
  stages: EditedStage[];
  value: number | undefined;
  onChange: (stageId: number) => void;
};

/** The choice of a new stage for the deals of a stage that is removed. */
export function WhereTo({ stage, stages, value, onChange }: WhereToProps) {
  const choices = stages.flatMap(({ id, name, outcome }) =>
    id !== undefined && outcome === stage.outcome ? [{ value: String(id), label: name }] : [],
  );
  return (
    <div className={classes.row}>
      <Text size="sm">{stage.name} will be removed. Deals in it go to</Text>
      <Picker
        aria-label={`Where the deals of ${stage.name} go`}
        placeholder="no deals are in it"
        data={choices}
        value={value === undefined ? null : String(value)}
        onChange={(id) => id && onChange(Number(id))}
      />
    </div>
  );
}
