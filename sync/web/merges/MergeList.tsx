import { Tag } from '@aether/ui/Tag.tsx';
import { Link } from '@tanstack/react-router';
import parts from '../parts/parts.module.css';
import { sayActor } from '../parts/words.ts';
import { When } from '../times/When.tsx';
import type { MergeHead } from './queries.ts';

export const sayName = (name: string | null): string => name ?? 'an erased customer';

/** Merges, the newest first. */
export function MergeList({ merges }: { merges: MergeHead[] }) {
  return (
    <ul className={parts.list} aria-label="Merges">
      {merges.map((merge) => (
        <li key={merge.id} className={parts.item}>
          <span className={parts.what}>
            <Link to="/merges/$id" params={{ id: merge.id }}>
              {sayName(merge.loser.name)} into {sayName(merge.survivor.name)}
            </Link>
            {merge.reason && <span className={parts.quiet}>{merge.reason}</span>}
          </span>
          <span className={parts.quiet}>
            {sayActor(merge)} <When at={merge.merged_at} />
          </span>
          {merge.undone_at && <Tag tone="plain">Taken apart</Tag>}
        </li>
      ))}
    </ul>
  );
}
