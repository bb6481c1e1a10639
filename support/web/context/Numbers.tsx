import { formatMoment } from '@aether/ui/formats.ts';
import { callTo } from '@aether/ui/reach.ts';
import type { Context } from '../api/records.ts';
import classes from './context.module.css';

/** Every telephone number of the customer, the primary one first. */
export function Numbers({ phones }: { phones: Context['phones'] }) {
  if (phones.length === 0) return null;
  return (
    <ul className={classes.addresses} aria-label="Telephone numbers">
      {phones.map(({ id, phone, phone_key, phone_extension, is_primary, added_at }) => (
        <li
          key={id}
          className={is_primary ? classes.mail : classes.otherMail}
          title={`Added ${formatMoment(added_at)}`}
        >
          <a href={callTo(phone_key, phone_extension)}>{phone}</a>
        </li>
      ))}
    </ul>
  );
}
