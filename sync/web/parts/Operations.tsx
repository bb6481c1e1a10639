import { useQuery } from '@tanstack/react-query';
import { type OperationsOf, operationsQuery } from '../api/operations.ts';
import { When } from '../times/When.tsx';
import classes from './parts.module.css';
import { sayActor } from './words.ts';

/** What people and commands did to it, the newest first. */
export function Operations({ of }: { of: OperationsOf }) {
  const { data } = useQuery(operationsQuery(of));
  if (!data || data.operations.length === 0) return null;
  return (
    <>
      <h2 className={classes.title}>What was done</h2>
      <ul className={classes.list}>
        {data.operations.map((each) => (
          <li key={each.id} className={classes.item}>
            <div className={classes.what}>
              <b>{each.kind}</b>
              <span className={classes.quiet}>{each.reason}</span>
            </div>
            <span className={classes.quiet}>
              {sayActor(each)}, <When at={each.done_at} />
            </span>
          </li>
        ))}
      </ul>
    </>
  );
}
