import { Button } from '@mantine/core';
import { IconX } from '@tabler/icons-react';
import type { ReactNode } from 'react';
import { formatNumber } from './formats.ts';
import { useKeys } from './Keys.tsx';
import classes from './SelectionBar.module.css';
import type { Selection } from './useSelection.ts';

type SelectionBarProps = {
  selection: Selection;
  /** How many rows match on the server, if it is known. */
  total: number | undefined;
  /** Whether more rows match than are loaded. */
  hasMore: boolean;
  /** The buttons of what can be done. */
  children: ReactNode;
};

/** What can be done with the chosen rows. Escape chooses none. */
export function SelectionBar({ selection, total, hasMore, children }: SelectionBarProps) {
  const { all, count, keys, isWhole, chooseAll, clear } = selection;
  useKeys([{ keys: 'escape', label: 'Choose none', group: 'Lists', run: clear }]);
  const words =
    count === undefined
      ? `All that match${keys.size > 0 ? ` but ${formatNumber(keys.size)}` : ''}`
      : `${formatNumber(count)} chosen`;
  return (
    <section className={classes.bar} aria-label="What to do with the chosen rows">
      <span className={classes.count} role="status">
        {words}
      </span>
      {!all && isWhole && hasMore && (
        <Button variant="subtle" size="compact-sm" onClick={chooseAll}>
          {total === undefined ? 'Choose all that match' : `Choose all ${formatNumber(total)} that match`}
        </Button>
      )}
      {children}
      <Button variant="subtle" size="compact-sm" leftSection={<IconX size={14} />} onClick={clear}>
        Choose none
      </Button>
    </section>
  );
}
