/** Names this tab, as long as its page is open. */
export const tab = crypto.randomUUID();

const lockOf = (owner: string) => `aether.tab.${owner}`;
const locks: LockManager | undefined = globalThis.navigator?.locks;

/** Shows the other tabs of this app that this one is open: it holds a lock that the browser releases with the page. */
export function markOpen(name = tab): void {
  void locks?.request(lockOf(name), () => new Promise(() => {}));
}

/**
 * Runs when a tab is gone, in one of the tabs that wait for it at a time. A page without TLS has no locks: it runs at once there.
 */
export async function whenGone(owner: string, work: () => void): Promise<void> {
  if (locks) await locks.request(lockOf(owner), work);
  else work();
}

const sightLock = 'aether.insight';

/** While this page is in sight it holds a lock, by which the other tabs of this app know that somebody looks. @returns ends it */
export function markInSight(): () => void {
  let leave: (() => void) | undefined;
  const look = () => {
    leave?.();
    leave = undefined;
    if (document.visibilityState !== 'visible') return;
    const { promise, resolve } = Promise.withResolvers<void>();
    leave = resolve;
    void locks?.request(sightLock, { mode: 'shared' }, () => promise);
  };
  document.addEventListener('visibilitychange', look);
  look();
  return () => {
    document.removeEventListener('visibilitychange', look);
    leave?.();
  };
}

/** Whether a tab of this app is in sight. Without locks: whether this one is. */
export async function isInSight(): Promise<boolean> {
  if (!locks) return document.visibilityState === 'visible';
  const { held = [] } = await locks.query();
  return held.some(({ name }) => name === sightLock);
}

/** Runs in one tab of this app, however many ask for it within a moment. @param restMs the moment */
export async function inOneTab(name: string, restMs: number, work: () => Promise<void>): Promise<void> {
  if (!locks) return work();
  await locks.request(`aether.one.${name}`, { ifAvailable: true }, async (lock) => {
    if (!lock) return;
    await work();
    await new Promise((resolve) => setTimeout(resolve, restMs));
  });
}
