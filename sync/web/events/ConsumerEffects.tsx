import { Tag, type Tone } from '@aether/ui/Tag.tsx';
import { Link } from '@tanstack/react-router';
import classes from '../parts/parts.module.css';
import { saySeconds } from '../subscriptions/words.ts';
import { When } from '../times/When.tsx';

type Shown = { consumer: string; state: string; attempt: number; lag_ms: number; at: string };

const words: Record<string, { tone: Tone; word: string }> = {
  handled: { tone: 'good', word: 'handled' },
  dead: { tone: 'bad', word: 'dead' },
  retrying: { tone: 'warn', word: 'tried again' },
  waiting: { tone: 'warn', word: 'waits' },
  outdated: { tone: 'plain', word: 'left out: a later version came before' },
};

/** What apps that read from Service Bus made of an event, as they report it themselves. */
export function ConsumerEffects({ effects }: { effects: Shown[] }) {
  if (effects.length === 0) return null;
  return (
    <>
      <h2 className={classes.title}>Over Service Bus</h2>
      <ul className={classes.list} aria-label="What each consumer made of it">
        {effects.map(({ consumer, state, attempt, lag_ms: lagMs, at }) => (
          <li key={consumer} className={classes.item}>
            <div className={classes.what}>
              <Link to="/consumers">{consumer}</Link>
              <span className={classes.quiet}>
                {saySeconds(Math.max(0, lagMs) / 1_000)} after the change, at attempt {attempt}, <When at={at} />
              </span>
            </div>
            <Tag tone={words[state]?.tone ?? 'plain'}>{words[state]?.word ?? state}</Tag>
          </li>
        ))}
      </ul>
    </>
  );
}
