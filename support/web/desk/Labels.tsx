import { Tag } from '@aether/ui/Tag.tsx';
import { toneOf } from '@aether/ui/tiers.ts';
import type { Session } from '../api/records.ts';
import { priorityNames, priorityTones } from './priorities.ts';

/** The priority of a conversation, unless it is normal, and its tags. */
export function Labels({ session: { priority, tags } }: { session: Pick<Session, 'priority' | 'tags'> }) {
  return (
    <>
      {priority !== 'normal' && <Tag tone={priorityTones[priority]}>{priorityNames[priority]}</Tag>}
      {tags.map(({ id, name, colour }) => (
        <Tag key={id} tone={toneOf(colour)}>
          {name}
        </Tag>
      ))}
    </>
  );
}
