import { formatNumber } from '@aether/ui/formats.ts';
import { useKeys } from '@aether/ui/Keys.tsx';
import { ActionIcon } from '@mantine/core';
import { IconChevronDown, IconChevronUp } from '@tabler/icons-react';
import { Link, useNavigate } from '@tanstack/react-router';
import type { TrailKind } from './kepttrail.ts';
import classes from './record.module.css';
import { useTrail } from './trail.ts';

const places = {
  customers: { list: '/customers', record: '/customers/$id', label: 'Customers', one: 'customer' },
  companies: { list: '/companies', record: '/companies/$id', label: 'Companies', one: 'company' },
  deals: { list: '/deals', record: '/deals/$id', label: 'Deals', one: 'deal' },
} as const;

type TrailProps = { kind: TrailKind; id: string };

/** The link back to the list in the state in which it was left. */
export function TrailBack({ kind, id }: TrailProps) {
  const trail = useTrail(kind, id);
  return (
    <Link to={places[kind].list} search={(trail?.search ?? {}) as never} className={classes.back}>
      {places[kind].label}
    </Link>
  );
}

/** `3 of 335`, with links to the records before and after: J and K, as in the list. */
export function TrailSteps({ kind, id }: TrailProps) {
  const trail = useTrail(kind, id);
  const navigate = useNavigate();
  const { record, one } = places[kind];
  const go = (to: string | undefined) => {
    if (to !== undefined) void navigate({ to: record, params: { id: to }, search: {} as never, replace: true });
  };
  const toNext = () => void trail?.next().then(go, () => {});
  const toBefore = () => go(trail?.before);
  useKeys([
    { keys: 'j', label: `Next ${one}`, group: 'Records', run: toNext },
    { keys: 'k', label: `${one} before`, group: 'Records', run: toBefore },
  ]);
  if (!trail) return null;
  return (
    <div className={classes.steps}>
      <span>
        {formatNumber(trail.index + 1)}
        {trail.total !== undefined && ` of ${formatNumber(trail.total)}`}
      </span>
      <ActionIcon aria-label={`To the ${one} before`} disabled={trail.before === undefined} onClick={toBefore}>
        <IconChevronUp size={16} />
      </ActionIcon>
      <ActionIcon aria-label={`To the next ${one}`} disabled={!trail.hasNext} onClick={toNext}>
        <IconChevronDown size={16} />
      </ActionIcon>
    </div>
  );
}
