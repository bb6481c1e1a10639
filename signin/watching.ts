import type { PlatformDb } from '@aether/platform';
import type { ProviderAccess } from './provideraccess.ts';

/** Not at once: the start of a process has better things to do, and short-lived ones need not ask. */
const firstMs = 10_000;
const everyMs = 600_000;
/** While the provider does not answer. */
const againMs = 30_000;

/**
 * Reports to Sync Health whether the identity provider answers, and lets it see how old the keys are. The keys are read every ten minutes
 * though nobody may sign in, so that an outage is known before the first person of the morning finds it. Each heartbeat looks whether it
 * is time, so there is no timer to stop.
 */
export function watchProvider(
  db: Pick<PlatformDb, 'report'>,
  { readKeys }: Pick<ProviderAccess, 'readKeys'>,
  times = { firstMs, everyMs, againMs },
): void {
  let dueAt = performance.now() + times.firstMs;
  let isReading = false;
  let turns = 0;
  let says: { state: 'reachable' } | { state: 'unreachable'; error: string } | undefined;

  async function read(): Promise<void> {
    isReading = true;
    try {
      await readKeys();
      turns += 1;
      says = { state: 'reachable' };
      dueAt = performance.now() + times.everyMs;
    } catch (error) {
      says = { state: 'unreachable', error: nameOf(error) };
      dueAt = performance.now() + times.againMs;
    }
    isReading = false;
  }

  db.report('sign_in', () => {
    if (!isReading && performance.now() >= dueAt) void read();
    return says && { says, ...(turns > 0 && { turns }) };
  });
}

/** The class of the cause: its text may hold addresses. */
function nameOf(error: unknown): string {
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
  return cause instanceof Error ? cause.name : 'Error';
}
