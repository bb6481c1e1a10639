import { laterOf, type PlatformDb, present } from '@aether/platform';
import type { Context, Next } from 'hono';
import type { Caller } from '../caller.ts';

/*
 * Reads from a replica, for the callers of an app.
 *
 * Whoever has written something, or was shown something by the primary, is told in the header `Aether-Seen` how far the primary's log was. Who sends that
 * back is answered by a server that has all of it, whichever process of the app the next request reaches. The web apps do so. For callers that send
 * nothing, each process remembers what it has told them last: enough for one process. It is forgotten when it is as old as the bound on age,
 * which covers it from then on.
 *
 * `Aether-Seen: now` asks for the primary: somebody was told of a change in another way, as by the stream of events. An answer says so if the primary
 * has not said how far it was: what comes next is to ask for the present.
 */

export const seenHeader = 'Aether-Seen';
/** How old the oldest part of an answer may be, in whole seconds, if that is more than one. */
export const ageHeader = 'Aether-Age';

const ageSaidMs = 1_000;
const safeMethods = new Set(['GET', 'HEAD']);

export type Reading = (c: Context, caller: Caller, next: Next) => Promise<void>;

type Remembered = { seen: string; at: number };

/** Lets the reads of requests that change nothing come from the replica. @returns undefined if there is none */
export function openReading(db: Pick<PlatformDb, 'readAs' | 'seenNow' | 'replicaState'>): Reading | undefined {
  const replica = db.replicaState();
  if (!replica) return undefined;
  const keptMs = replica.ageMaxMs;
  const remembered = new Map<string, Remembered>();

  function remember(who: string, seen: string): void {
    const now = performance.now();
    const latest = seen === present ? present : (laterOf(seen, remembered.get(who)?.seen) as string);
    for (const [each, { at }] of remembered) {
      if (now - at < keptMs) break;
      remembered.delete(each);
    }
    remembered.delete(who); // the latest are at the end
    remembered.set(who, { seen: latest, at: now });
  }

  return async (c, caller, next) => {
    const who = caller.actor ? `person ${caller.actor.id}` : `machine ${caller.machine}`;
    const sent = c.req.header(seenHeader);
    const tell = (seen: string | undefined) => {
      if (seen === undefined) return;
      remember(who, seen);
      c.res.headers.set(seenHeader, seen);
    };
    if (!safeMethods.has(c.req.method)) {
      await next();
      // A request that has changed something is answered, whatever becomes of this.
      tell(await db.seenNow().catch(() => present));
      return;
    }
    const known = remembered.get(who)?.seen;
    const { seen, ageMs } = await db.readAs([sent, known].includes(present) ? present : laterOf(sent, known), next);
    tell(seen);
    if (ageMs !== undefined && ageMs >= ageSaidMs) c.res.headers.set(ageHeader, `${Math.round(ageMs / 1_000)}`);
  };
}
