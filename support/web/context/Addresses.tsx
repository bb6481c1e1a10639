import { isNoAddress, noAddressInFull } from '@aether/platform/noaddress';
import { formatMoment } from '@aether/ui/formats.ts';
import { mailTo } from '@aether/ui/reach.ts';
import { IconShieldCheck } from '@tabler/icons-react';
import type { Context } from '../api/records.ts';
import classes from './context.module.css';

/** Every address of the customer, the primary one first; each says whether it is verified. */
export function Addresses({ addresses }: { addresses: Context['addresses'] }) {
  return (
    <ul className={classes.addresses} aria-label="Addresses">
      {addresses.map(({ id, email, is_primary, verified_at }) => (
        <li key={id} className={is_primary ? classes.mail : classes.otherMail}>
          {isNoAddress(email) ? noAddressInFull : <a href={mailTo(email)}>{email}</a>}{' '}
          {isNoAddress(email) ? null : verified_at ? (
            <span className={classes.proven} title={`Verified ${formatMoment(verified_at)}`}>
              <IconShieldCheck size={13} aria-hidden /> verified
            </span>
          ) : (
            <span className={classes.quiet}>not verified</span>
          )}
        </li>
      ))}
    </ul>
  );
}
