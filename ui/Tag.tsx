import type { ReactNode } from 'react';
import classes from './Tag.module.css';

export type Tone = 'plain' | 'accent' | 'good' | 'warn' | 'bad' | 'gold';

/** A short word in a soft colour that names a kind. The colour alone never carries the meaning. */
export function Tag({ tone = 'plain', children }: { tone?: Tone; children: ReactNode }) {
  return (
    <span className={classes.tag} data-tone={tone}>
      {children}
    </span>
  );
}
