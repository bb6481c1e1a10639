import { MoveDialog } from '@aether/ui/MoveDialog.tsx';
import { movesOfActivity } from '../api/moves.ts';
import type { ActivityEntry } from '../api/records.ts';
import { CustomerPicker } from '../inputs/Picker.tsx';
import { describeType } from './activitytypes.tsx';

type MoveActivityProps = { entry: ActivityEntry; onMoved: () => void; onClose: () => void };

/** Moves an activity of the wrong person to the right one. */
export function MoveActivity({ entry, onMoved, onClose }: MoveActivityProps) {
  return (
    <MoveDialog
      what={describeType(entry.type).label.toLowerCase()}
      id={entry.id}
      calls={movesOfActivity(entry.id)}
      CustomerPicker={CustomerPicker}
      onMoved={onMoved}
      onClose={onClose}
    />
  );
}
