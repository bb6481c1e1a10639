import classes from '../parts/parts.module.css';
import { When } from '../times/When.tsx';

type Attempt = {
  attempt: number;
  ended_at: string;
  duration_ms: number | null;
  process: string;
  is_handled: boolean;
  error: string | null;
};

/** Attempts at one event, the newest first. */
export function Attempts({ attempts }: { attempts: Attempt[] }) {
  if (attempts.length === 0) return null;
  return (
    <>
      <h2 className={classes.title}>Attempts</h2>
      <ul className={classes.list}>
        {attempts.map((each) => (
          <li key={`${each.ended_at} ${each.attempt}`} className={classes.item}>
            <div className={classes.what}>
              <b>
                Attempt {each.attempt}: {each.is_handled ? 'handled' : 'failed'}
              </b>
              <span className={classes.quiet}>{each.error}</span>
            </div>
            <span className={classes.quiet}>
              <When at={each.ended_at} />
              {each.duration_ms !== null && `, ${each.duration_ms} ms`}, {each.process}
            </span>
          </li>
        ))}
      </ul>
    </>
  );
}
