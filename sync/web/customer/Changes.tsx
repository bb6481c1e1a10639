import { Button } from '@mantine/core';
import { When } from '../times/When.tsx';
import classes from './customer.module.css';
import type { AsOf, Change } from './queries.ts';
import { sayValue } from './values.ts';

const shownMax = 200;
const fieldsMax = 8;
/** What only the database needs. */
const inner = new Set(['phone_key', 'created_by', 'added_by', 'idempotency_key', 'created_at']);

/** What has changed since the moment, newest first: the fields, the person, the app and the request. */
export function Changes({ moment, onMoment }: { moment: AsOf; onMoment: (at: string) => void }) {
  const { since, hidden, names } = moment;
  return (
    <section aria-label="What has changed since">
      <h2 className={classes.title}>What has changed since</h2>
      {since.length === 0 && hidden.changes === 0 && <p className={classes.quiet}>Nothing.</p>}
      <ul className={classes.list}>
        {since.slice(0, shownMax).map((change) => (
          <li key={change.eventId}>
            <div className={classes.change}>
              <b>{change.type}</b>
              <span className={classes.quiet}>
                <When at={change.at} /> by {change.actor ? `${names.users[change.actor] ?? change.actor}, ` : ''}
                {change.app}
              </span>
            </div>
            <div>{describeFields(change, names)}</div>
            <div className={classes.change}>
              <span className={classes.quiet}>
                {[
                  change.position !== null && `event ${change.position}`,
                  change.version !== null && `version ${change.version}`,
                  change.trace && `request ${change.trace.split('-')[1]}`,
                ]
                  .filter(Boolean)
                  .join(', ')}
              </span>
              <Button
                size="compact-xs"
                mih={24}
                variant="subtle"
                onClick={() => onMoment(new Date(change.at).toISOString())}
              >
                As of then
              </Button>
            </div>
          </li>
        ))}
      </ul>
      {since.length > shownMax && (
        <p className={classes.quiet}>And {since.length - shownMax} more. Choose a later moment.</p>
      )}
      {hidden.changes > 0 && (
        <p className={classes.quiet}>
          {hidden.changes} changes of deals, custom values and conversations are shown to administrators.
        </p>
      )}
    </section>
  );
}

function describeFields({ type, fields }: Change, names: AsOf['names']): string {
  const shown = fields.filter(({ name }) => !inner.has(name));
  const isNew = type.endsWith('.created');
  return shown
    .slice(0, fieldsMax)
    .map((field) => {
      const next = sayValue(field.name, field.new, names);
      return isNew ? `${field.name} ${next}` : `${field.name}: ${sayValue(field.name, field.old, names)} → ${next}`;
    })
    .concat(shown.length > fieldsMax ? [`and ${shown.length - fieldsMax} more`] : [])
    .join(' · ');
}
