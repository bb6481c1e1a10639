import { Button } from '@mantine/core';
import classes from './settings.module.css';

type SaveBarProps = {
  /** Another person has saved since the form was loaded. */
  isConflict: boolean;
  isSaving: boolean;
  /** The errors, if any, or what is known of the draft. */
  words: string | undefined;
  canSave?: boolean;
  onDiscard: () => void;
  onOverwrite: () => void;
};

/** Below a form with changes: saves or discards them. It is inside the form, as its submit button. */
export function SaveBar({ isConflict, isSaving, words, canSave = true, onDiscard, onOverwrite }: SaveBarProps) {
  return (
    <div className={classes.saveBar} role="status">
      <span>
        {isConflict ? 'Somebody else saved this while you were editing.' : (words ?? 'Correct what is marked')}
      </span>
      {isConflict && (
        <Button variant="default" onClick={onOverwrite}>
          Save mine over theirs
        </Button>
      )}
      <Button variant="default" onClick={onDiscard}>
        {isConflict ? 'Take theirs' : 'Discard'}
      </Button>
      {!isConflict && (
        <Button type="submit" loading={isSaving} disabled={!canSave}>
          Save
        </Button>
      )}
    </div>
  );
}
