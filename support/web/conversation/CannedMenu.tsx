import { describeError } from '@aether/ui/refusal.ts';
import { Link } from '@tanstack/react-router';
import classes from './composer.module.css';
import type { useCanned } from './useCanned.ts';

type CannedMenuProps = { canned: ReturnType<typeof useCanned>; onChoose: (body: string) => void };

/** Above the field: the matching answers. */
export function CannedMenu({ canned, onChoose }: CannedMenuProps) {
  const { answers, index, listId, isEmpty, hasNone, error } = canned;
  if (error) return <div className={classes.canned}>{describeError(error)}</div>;
  if (isEmpty)
    return (
      <div className={classes.canned}>
        <div className={classes.none}>
          {hasNone ? 'There are no canned answers yet. ' : 'No canned answer is like that. '}
          <Link to="/settings/canned-answers">Write one</Link>
        </div>
      </div>
    );
  return (
    <div className={classes.canned} role="listbox" id={listId} aria-label="Canned answers">
      {answers.map(({ id, shortcut, title, body }, each) => (
        // biome-ignore lint/a11y/useKeyWithClickEvents: the field it belongs to has the keys
        // biome-ignore lint/a11y/useFocusableInteractive: as above
        <div
          key={id}
          id={`${listId}-${each}`}
          role="option"
          aria-selected={each === index}
          className={classes.answer}
          onMouseDown={(event) => event.preventDefault()}
          onClick={() => onChoose(body)}
        >
          <span className={classes.shortcut}>/{shortcut}</span>
          <span className={classes.answerTitle}>{title}</span>
          <span className={classes.answerBody}>{body}</span>
        </div>
      ))}
    </div>
  );
}
