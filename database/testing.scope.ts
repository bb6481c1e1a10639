import { AsyncLocalStorage } from 'node:async_hooks';
import { setTimeout as wait } from 'node:timers/promises';

/*
 * Vitest stops no test and no hook that takes too long: it goes on beside the next one, and what both reach through their module is by then the
 * next one's. So a test knows that it is over, and has what is its own.
 */

/** One run of a test with its hooks, or of a file, in which its own hooks are. */
type Scope = { of: 'test' | 'file'; isOver: boolean };

const scopes = new AsyncLocalStorage<Scope>();

/** testing.endings.ts runs each test in one, and each file: a hook that takes too long goes on as well. */
export async function inScope(of: Scope['of'], run: () => Promise<void>): Promise<void> {
  const scope: Scope = { of, isOver: false };
  try {
    await scopes.run(scope, run);
  } finally {
    scope.isOver = true;
  }
}

/** In what this is called; undefined outside of any. */
export const scopeOf = (): Scope['of'] | undefined => scopes.getStore()?.of;

/** For what goes on beside a test, as long as that lasts: nobody awaits it any more once the test has exceeded its time. */
export const isUnderWay = (): boolean => !scopes.getStore()?.isOver;

/** For whatever waits: ends a test that has exceeded its time. @throws once the test is over that it is called in */
export function requireUnderWay(): void {
  if (!isUnderWay()) throw new Error('This test is over, or this file: it took longer than it may.');
}

/**
 * Waits for a fact, and gives what the look gave. The longer it takes, and the longer a look takes, the rarer are the looks: each costs
 * processor time that the others need to bring the fact about. It ends with the test.
 */
export function until(fact: () => boolean | Promise<boolean>): Promise<void>;
export function until<Found>(look: () => Found | Promise<Found>): Promise<Exclude<Found, false | null | undefined>>;
export async function until(look: () => unknown): Promise<unknown> {
  for (let pauseMs = 2; ; pauseMs = Math.min(pauseMs * 1.4, 15)) {
    requireUnderWay();
    const lookedAt = performance.now();
    const found = await look();
    if (found) return found;
    await wait(Math.max(pauseMs, 2 * (performance.now() - lookedAt)));
  }
}

/** What each test has of its own, made when it first asks: its hooks see the same, and a test that exceeds its time does not see the next one's. */
export function ofEachTest<Own>(make: () => Own): () => Own {
  const owns = new WeakMap<Scope, Own>();
  return () => {
    requireUnderWay();
    const scope = scopes.getStore();
    if (scope?.of !== 'test') throw new Error('Only a test and its hooks have something of their own.');
    const own = owns.get(scope) ?? make();
    owns.set(scope, own);
    return own;
  };
}
