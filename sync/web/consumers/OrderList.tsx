import { Tag, type Tone } from '@aether/ui/Tag.tsx';
import type { Order } from '../api/consumers.ts';
import classes from '../parts/parts.module.css';
import { sayActor } from '../parts/words.ts';
import { When } from '../times/When.tsx';
import { sayAct, sayOutcome } from './words.ts';

const tones: Record<Order['state'], Tone> = {
  done: 'good',
  failed: 'bad',
  unanswered: 'warn',
  waiting: 'accent',
  sent: 'accent',
};

/** What people ordered of a consumer, the newest first, and what came of it. */
export function OrderList({ consumer, orders }: { consumer: string; orders: Order[] }) {
  return (
    <>
      <h3 className={classes.title}>Orders</h3>
      <ul className={classes.list} aria-label={`Orders to ${consumer}`}>
        {orders.map((each) => (
          <li key={each.id} className={classes.item} data-state={each.state}>
            <div className={classes.what}>
              <b>{sayAct(each)}</b>
              <span className={classes.quiet}>{each.reason}</span>
            </div>
            <Tag tone={tones[each.state]}>{sayOutcome(each)}</Tag>
            <span className={classes.quiet}>
              {sayActor(each)}, <When at={each.ordered_at} />
            </span>
          </li>
        ))}
      </ul>
    </>
  );
}
