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
