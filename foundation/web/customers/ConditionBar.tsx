import { Button } from '@mantine/core';
import { IconAlertCircle, IconPencil, IconX } from '@tabler/icons-react';
import classes from './ConditionBar.module.css';
import { describeCondition, describeGroup } from './conditions.ts';
import { useKnown } from './useKnown.ts';
import { isGroup, type Where, without } from './where.ts';

type ConditionBarProps = {
  where: Where | string;
  /** The conditions that name what was removed, by their paths. */
  outdated: Record<string, string>;
  onChange: (where: Where | undefined) => void;
  onEdit: () => void;
};

/** The conditions of the list in words, each with a button that takes it away. */
export function ConditionBar({ where, outdated, onChange, onEdit }: ConditionBarProps) {
  const known = useKnown();
  if (typeof where === 'string')
    return (
      <section className={classes.bar} aria-label="Conditions">
        <span>The address has a filter that cannot be read.</span>
        <Button
          variant="default"
          size="compact-sm"
          leftSection={<IconX size={14} />}
          onClick={() => onChange(undefined)}
        >
          Take it away
        </Button>
      </section>
    );
  const isOutdated = (path: string) =>
    Object.keys(outdated).some((each) => each === path || each.startsWith(`${path}.`));
  return (
    <section className={classes.bar} aria-label="Conditions">
      {where.conditions.length > 1 && (
        <span className={classes.match}>{where.match === 'all' ? 'All of' : 'Any of'}</span>
      )}
      {where.conditions.map((each, at) => {
        const words = isGroup(each) ? describeGroup(each, known) : describeCondition(each, known);
        const path = `where.${at}`;
        return (
          <span key={`${path} ${words}`} className={classes.condition} data-outdated={isOutdated(path)}>
            {isOutdated(path) && <IconAlertCircle size={14} aria-hidden />}
            <span>{words}</span>
            <button
              type="button"
              className={classes.remove}
              aria-label={`Take away: ${words}`}
              onClick={() => onChange(without(where, [path]))}
            >
              <IconX size={13} />
            </button>
          </span>
        );
      })}
      <Button variant="subtle" size="compact-sm" leftSection={<IconPencil size={14} />} onClick={onEdit}>
        Change conditions
      </Button>
    </section>
  );
}
