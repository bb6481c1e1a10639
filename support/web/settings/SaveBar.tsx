import { Button } from '@mantine/core';
import classes from './settings.module.css';

type SaveBarProps = {
  /** Somebody else saved since it was read. */
  isConflict: boolean;
  isSaving: boolean;
  /** What is wrong, if something is. */
  words: string | undefined;
  canSave?: boolean;
  onDiscard: () => void;
  onOverwrite: () => void;
};

/** Below a form with changes: what becomes of them. Stands in the form, whose submit it is. */
export function SaveBar({ isConflict, isSaving, words, canSave = true, onDiscard, onOverwrite }: SaveBarProps) {
  return (
    <div className={classes.saveBar} role="status">
      <span>{isConflict ? 'Somebody else saved this while you were editing.' : (words ?? 'Not saved yet')}</span>
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
