import { formatAgo, formatMoment } from '../formats.ts';
import type { Act, Change, Field } from './calls.ts';
import classes from './changes.module.css';
import { sayAbout, sayApp, sayField, sayValue, sayVerb, sayWho, traceOf } from './words.ts';

type ActRowProps = {
  act: Act;
  /** The address of a setting in this app; undefined if it has no page. */
  placeOf: (change: Change) => string | undefined;
};

/** What one person did at once: who, when, from where, and each setting before and after. */
export function ActRow({ act, placeOf }: ActRowProps) {
  const trace = traceOf(act.trace);
  const more = act.count - act.changes.length;
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: the keys of the list reach it
    <li className={classes.act} data-act={act.id} tabIndex={0}>
      <p className={classes.who}>
        <strong>{sayWho(act)}</strong>
        <span>{sayApp(act.app)}</span>
        <time className={classes.when} dateTime={act.at} title={formatMoment(act.at)}>
          {formatAgo(act.at)}
        </time>
        {act.count > 1 && <span>{act.count} changes at once</span>}
        {trace && (
          <span className={classes.trace} title="The trace of the request">
            {trace}
          </span>
        )}
      </p>
      <ul className={classes.changes}>
        {act.changes.map((change, place) => (
          // biome-ignore lint/suspicious/noArrayIndexKey: what was done never changes
          <li key={place}>
            <span className={classes.about}>
              <About change={change} place={change.change === 'removed' ? undefined : placeOf(change)} />{' '}
              {sayVerb(change)}
            </span>
            {change.fields.length > 0 && (
              <ul className={classes.fields}>
                {change.fields.map((field, place) => (
                  // biome-ignore lint/suspicious/noArrayIndexKey: two questions may have the same words
                  <li key={place}>
                    <Difference field={field} change={change.change} />
                  </li>
                ))}
              </ul>
            )}
          </li>
        ))}
      </ul>
      {more > 0 && <p className={classes.who}>and {more} more: the file has them all</p>}
    </li>
  );
}

function About({ change, place }: { change: Change; place: string | undefined }) {
  const said = sayAbout(change);
  return place ? <a href={place}>{said}</a> : said;
}

function Difference({
  field: { field, before, after, is_hidden },
  change,
}: {
  field: Field;
  change: Change['change'];
}) {
  const label = <span className={classes.label}>{sayField(field)}: </span>;
  if (is_hidden)
    return (
      <>
        {label}
        {change === 'changed' ? 'another one, which is' : 'one that is'} not recorded
      </>
    );
  if (change === 'created')
    return (
      <>
        {label}
        {sayValue(field, after)}
      </>
    );
  return (
    <>
      {label}
      {before !== undefined || change === 'removed' ? (
        <>
          <span className={classes.unseen}>before </span>
          <span className={classes.before}>{sayValue(field, before)}</span>
        </>
      ) : (
        <span className={classes.label}>nothing</span>
      )}
      {change === 'changed' && (
        <>
          <span aria-hidden> → </span>
          <span className={classes.unseen}>, now </span>
          {sayValue(field, after)}
        </>
      )}
    </>
  );
}
