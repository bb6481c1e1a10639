import classes from './mentions.module.css';
import type { useMentioning } from './useMentioning.ts';

/** The people whom the letters after `@` may mean, beside the field. */
export function MentionMenu({
  mentioning,
  isAbove = false,
}: {
  mentioning: ReturnType<typeof useMentioning>;
  isAbove?: boolean;
}) {
  const { found, index, listId, isOpen, insert } = mentioning;
  if (!isOpen) return null;
  return (
    <div className={classes.menu} data-above={isAbove} role="listbox" id={listId} aria-label="People to mention">
      {found.map((person, each) => (
        // biome-ignore lint/a11y/useKeyWithClickEvents: the field it belongs to has the keys
        // biome-ignore lint/a11y/useFocusableInteractive: as above
        <div
          key={person.id}
          id={`${listId}-${each}`}
          role="option"
          aria-selected={each === index}
          className={classes.person}
          onMouseDown={(event) => event.preventDefault()}
          onClick={() => insert(person)}
        >
          <span className={classes.name}>{person.name}</span>
          <span className={classes.address}>{person.email}</span>
        </div>
      ))}
    </div>
  );
}
