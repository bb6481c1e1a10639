import { setTimeout as wait } from 'node:timers/promises';
import type { ServerContext } from '@aether/http';
import type { PlatformDb } from '@aether/platform';
import { endIdle, lookAtIdle } from '../conversations/idle.ts';
import type { Live } from '../conversations/live.ts';
import { giveNext, listRuledTeams, takeBackUnseen } from './assigning.ts';
import { computeDeadlines, warnOfDeadlines } from './deadlines.ts';

/*
 * What has to be done in conversations without anybody asking for it: targets are computed and warned of, the rules of teams give
 * conversations to agents, and idle ones end. Every process of Support takes turns, as many as there are: what one of them holds, the
 * others pass over. A turn does a bounded part; what is left is done by the next one, at once. Nothing is remembered between turns, so that
 * a process may end at any moment.
 */

const turnEveryMs = 2_000;
const givenMax = 50;

type Context = Pick<ServerContext, 'closing' | 'log' | 'finish'>;

/** Takes turns until `closing`. */
export function takeTurns(db: PlatformDb, live: Live, { closing, log, finish }: Context): void {
  const look = (ids: string[]) => {
    for (const id of ids) live.announce(id, { kind: 'look' });
  };

  /** Each says whether it may have left something. One that fails keeps no other from its turn. */
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

  async function loop(): Promise<void> {
    const failed = new Set<string>();
    while (!closing.aborted) {
      let hasMore = false;
      for (const [name, part] of Object.entries(parts)) {
        try {
          if (!closing.aborted && (await part())) hasMore = true;
          failed.delete(name);
        } catch (error) {
          if (!failed.has(name) && !closing.aborted)
            log.warn({ err: error, part: name }, 'conversations could not be looked after');
          failed.add(name);
        }
      }
      if (!hasMore || failed.size > 0)
        await wait(turnEveryMs, undefined, { signal: closing, ref: false }).catch(() => {});
    }
  }
  // A conversation that is being ended when the process is asked to end is ended whole.
  finish(loop());
}
