import { setTimeout as wait } from 'node:timers/promises';
import type { ServerContext } from '@aether/http';
import type { PlatformDb } from '@aether/platform';
import { endIdle, hasIdle, lookAtIdle } from '../conversations/idle.ts';
import type { Live } from '../conversations/live.ts';
import { giveNext, listRuledTeams, mayAssign, takeBackUnseen } from './assigning.ts';
import { computeDeadlines, hasUnclocked, warnOfDeadlines } from './deadlines.ts';

/*
 * What has to be done in conversations without anybody asking for it: targets are computed and warned of, the rules of teams give
 * conversations to agents, and idle ones end. Every process of Support takes turns, as many as there are: what one of them holds, the
 * others pass over. A turn with nothing to do costs one statement. Otherwise it does a bounded part; what is left is done by the next one,
 * at once. Nothing is remembered between turns, so that a process may end at any moment.
 */

const givenMax = 50;

/**
 * By indexes that hold nothing else, so that it costs the same however many conversations there are. Each asks for the first in the order of
 * its index: for `exists`, the planner reads the table where it believes that many wait, which takes longest when they are last in it.
 */
export const waitingWork = `select
  ${hasUnclocked} as deadlines,
  (select s.warn_at from support.sessions s
    where s.status = 'active' and s.warned_at is null and s.warn_at is not null
    order by s.warn_at limit 1) <= now() as warnings,
  ${mayAssign} as assigning,
  ${hasIdle} as endings`;

type Context = Pick<ServerContext, 'closing' | 'log' | 'finish'>;

/** Takes turns until `closing`. */
export function takeTurns(db: PlatformDb, live: Live, { closing, log, finish }: Context, turnEveryMs = 1_000): void {
  const look = (ids: string[]) => {
    for (const id of ids) live.announce(id, { kind: 'look' });
  };

  /** Each says whether it may have left something. */
  const parts = {
    async deadlines() {
      const { changed, hasMore } = await db.transaction({}, computeDeadlines);
      look(changed);
      return hasMore;
    },
    async warnings() {
      return db.transaction({}, warnOfDeadlines);
    },
    async assigning() {
      look(await db.transaction({}, takeBackUnseen));
      let given = 0;
      for (const team of await listRuledTeams(db))
        for (; given < givenMax && !closing.aborted; given += 1) {
          const one = await db.transaction({}, (tx) => giveNext(tx, team));
          if (!one) break;
          look([one.session_id]);
        }
      return given === givenMax;
    },
    async endings() {
      const { due, hasMore } = await db.transaction({}, lookAtIdle);
      for (const id of due) if (!closing.aborted && (await endIdle(db, id))) look([id]);
      return hasMore;
    },
  };

  const failed = new Set<string>();
  /** One that fails keeps no other from its turn, and is tried again at the next one. @returns undefined if it failed */
  async function attempt<Answer>(name: string, run: () => Promise<Answer>): Promise<Answer | undefined> {
    try {
      const answer = await run();
      failed.delete(name);
      return answer;
    } catch (error) {
      if (!failed.has(name) && !closing.aborted)
        log.warn({ err: error, part: name }, 'conversations could not be looked after');
      failed.add(name);
      return undefined;
    }
  }

  async function loop(): Promise<void> {
    while (!closing.aborted) {
      let hasMore = false;
      const found = await attempt('looking', () => db.query<Record<keyof typeof parts, boolean | null>>(waitingWork));
      for (const name of ['deadlines', 'warnings', 'assigning', 'endings'] as const)
        if (found?.[0]?.[name] && !closing.aborted && (await attempt(name, parts[name]))) hasMore = true;
      if (!hasMore) await wait(turnEveryMs, undefined, { signal: closing, ref: false }).catch(() => {});
    }
  }
  // A conversation that is being ended when the process is asked to end is ended whole.
  finish(loop());
}
