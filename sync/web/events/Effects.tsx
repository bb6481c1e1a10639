import { Tag, type Tone } from '@aether/ui/Tag.tsx';
import { Link } from '@tanstack/react-router';
import classes from '../parts/parts.module.css';
import { sayActor } from '../parts/words.ts';
import { When } from '../times/When.tsx';

type Of = { position: number; customer: string | null; key: string };
type Shown = {
  subscription: string;
  app: string;
  effect: string;
  position: number;
  pause_reason: string | null;
  is_again: boolean;
  attempt_at: string | null;
  behind: number | null;
  attempts: { attempt: number; ended_at: string; failed: boolean }[];
  error_class: string | null;
  shape: string | null;
  skipped_by: { actor: string | null; reason: string | null; at: string } | null;
};

const words: Record<string, { tone: Tone; word: string }> = {
  handled: { tone: 'good', word: 'handled' },
  dead: { tone: 'bad', word: 'dead' },
  retrying: { tone: 'warn', word: 'tried again' },
  waiting: { tone: 'warn', word: 'waits' },
  'not-reached': { tone: 'accent', word: 'not reached yet' },
  skipped: { tone: 'warn', word: 'skipped' },
  filtered: { tone: 'plain', word: 'not of its types' },
  'not-shown': { tone: 'plain', word: 'not shown to its app' },
  before: { tone: 'plain', word: 'before its time' },
};

/** What each subscription made of an event. */
export function Effects({ event, effects }: { event: Of; effects: Shown[] }) {
  return (
    <ul className={classes.list} aria-label="What each subscription made of it">
      {effects.map((each) => (
        <li key={each.subscription} className={classes.item} data-effect={each.effect}>
          <div className={classes.what}>
            <Link to="/subscriptions/$name" params={{ name: each.subscription }}>
              {each.subscription}
            </Link>
            <span className={classes.quiet}>
              <Detail event={event} effect={each} />
            </span>
          </div>
          <Tag tone={words[each.effect]?.tone ?? 'plain'}>{words[each.effect]?.word ?? each.effect}</Tag>
        </li>
      ))}
    </ul>
  );
}

function Detail({ event: { position, customer, key }, effect: each }: { event: Of; effect: Shown }) {
  const last = each.attempts.at(-1);
  switch (each.effect) {
    case 'dead':
    case 'retrying':
    case 'waiting':
      return (
        <>
          <Link
            to="/failures/$subscription/$position"
            params={{ subscription: each.subscription, position: String(position) }}
          >
            {each.shape === null ? 'parked' : `${each.error_class}: ${each.shape}`}
          </Link>
          {each.behind !== null && `, behind event ${each.behind}`}
          {each.attempt_at !== null && (
            <>
              , again <When at={each.attempt_at} />
            </>
          )}
        </>
      );
    case 'skipped':
      return (
        <>
          {each.skipped_by ? sayActor(each.skipped_by) : ''} skipped it: {each.skipped_by?.reason ?? 'without a reason'}
          , <When at={each.skipped_by?.at ?? ''} />.{' '}
          <Link
            to="/subscriptions/$name"
            params={{ name: each.subscription }}
            search={{ replay: 'yes', ...(customer ? { customer } : { key }) }}
          >
            Replay {customer ? 'the customer’s' : 'the row’s'} events
          </Link>
        </>
      );
    case 'not-reached':
      return (
        <>
          it is at {each.position}
          {each.is_again && ', and handles this event again'}
          {each.pause_reason !== null && `; it is paused: ${each.pause_reason}`}
        </>
      );
    case 'before':
      return 'the subscription is younger than the event, and has passed it';
    case 'handled':
      return last ? `at attempt ${last.attempt}, after it was parked` : 'at the first attempt';
    default:
      return each.app;
  }
}
