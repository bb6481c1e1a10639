import { Tag } from '@aether/ui/Tag.tsx';
import { toneOf } from '@aether/ui/tiers.ts';
import type { ListedCustomer } from '../api/records.ts';
import classes from './tags.module.css';

/**
 * The tags of a customer in a row of the list: the first one or two, as the column has room, and how many more there are.
 * Pointing at them names all; so does the record.
 */
export function ListedTags({ tags }: Pick<ListedCustomer, 'tags'>) {
  if (tags.length === 0) return null;
  const names = tags.map(({ name }) => name).join(', ');
  return (
    <span className={classes.tags} title={names}>
      {tags.slice(0, 2).map(({ id, name, colour }) => (
        <span key={id} className={classes.tag}>
          <Tag tone={toneOf(colour)}>{name}</Tag>
        </span>
      ))}
      {([1, 2] as const).map(
        (shown) =>
          tags.length > shown && (
            <span key={shown} className={classes.more} data-shown={shown}>
              +{tags.length - shown}
            </span>
          ),
      )}
    </span>
  );
}
