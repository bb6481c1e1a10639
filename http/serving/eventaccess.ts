import type { AppEvent, PlatformDb, Signal } from '@aether/platform';
import { allows, type Caller } from '../caller.ts';
import { refuseScope } from '../rights.ts';
import { type AppScopes, type Scope, scopeOfEvent } from '../scopes.ts';

/*
 * Which events a caller gets over HTTP: those that the server's login may see, of these those that the caller's scopes read, of these those that the
 * server lets this caller hear, and of a machine that belongs to an app only those that the app's own login sees in SQL.
 */

/** Decides for one reader whether the caller gets an event, at the moment when the event comes. */
export type Hearing = {
  hears(event: AppEvent): Promise<boolean>;
  hearsSignal(signal: Signal): Promise<boolean>;
};

export type EventAccess = {
  /** @throws Problem 403 for a type that no scope of the caller reads */
  requireTypes(caller: Caller, types: readonly string[]): Promise<void>;
  /** What one reader gets. Ask for each reader once. */
  open(caller: Caller): {
    hears(events: AppEvent[]): Promise<AppEvent[]>;
    hearsSignal(signal: Signal): Promise<boolean>;
  };
};

/** @param hearing limits what a caller gets further than its scopes do; called once for each reader */
export function openEventAccess(
  db: PlatformDb,
  ofEvents: AppScopes['ofEvents'],
  hearing?: (caller: Caller) => Hearing,
): EventAccess {
  const scopeOf = openScopeOf(db, ofEvents);
  /** A token with scopes gets only events about records that one of its scopes reads. */
  const allowsEvent = async (caller: Caller, type: string): Promise<boolean> => {
    if (caller.scopes === undefined) return true;
    const scope = await scopeOf(type);
    return scope !== undefined && allows(caller, scope);
  };
  return {
    async requireTypes(caller, types) {
      for (const type of types) {
        const scope = await scopeOf(type);
        // Which types are an app's own, its events say.
        if (scope === undefined && caller.app !== undefined) continue;
        if (!(await allowsEvent(caller, type))) throw refuseScope(scope ?? 'events.read');
      }
    },
    open(caller) {
      const heard = hearing?.(caller);
      const hearsOne = async (event: AppEvent) =>
        (await allowsEvent(caller, event.type)) && (!heard || (await heard.hears(event)));
      return {
        async hears(events) {
          if (events.length === 0) return [];
          const seen = caller.app === undefined ? undefined : await seenBy(db, caller.app, events);
          const given: AppEvent[] = [];
          for (const event of events) {
            const isOwn = seen?.get(event.position);
            if (isOwn || ((!seen || isOwn === false) && (await hearsOne(event)))) given.push(event);
          }
          return given;
        },
        hearsSignal: async (signal) => caller.app === undefined && (!heard || heard.hearsSignal(signal)),
      };
    },
  };
}

/** The positions of the events that the app's own login sees in SQL, and whether they are for this app alone. */
async function seenBy(db: PlatformDb, app: string, events: AppEvent[]): Promise<Map<number, boolean>> {
  const rows = await db.query<{ position: number; is_own: boolean }>(
    `select e.position, e.audience = platform.audience_of($2) as is_own from sync.events e
     where e.position = any ($1) and sync.may_read($2, e.audience)`,
    [events.map(({ position }) => position), app],
  );
  return new Map(rows.map((row) => [row.position, row.is_own]));
}

/** The names of the apps are read when an event comes whose entity is unknown, and at most every few seconds: an app may be added. */
const appsKeptMs = 5_000;

function openScopeOf(db: PlatformDb, ofEvents: AppScopes['ofEvents']): (type: string) => Promise<Scope | undefined> {
  let apps: Promise<ReadonlySet<string>> = Promise.resolve(new Set<string>());
  let readAt = Number.NEGATIVE_INFINITY;
  return async (type) => {
    const known = scopeOfEvent(type, ofEvents, await apps.catch(() => new Set<string>()));
    if (known !== undefined || performance.now() - readAt < appsKeptMs) return known;
    readAt = performance.now();
    apps = db
      .query<{ name: string }>('select name from platform.apps')
      .then((rows) => new Set(rows.map(({ name }) => name)));
    return scopeOfEvent(type, ofEvents, await apps);
  };
}
