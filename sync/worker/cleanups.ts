import { setTimeout as wait } from 'node:timers/promises';
import type pg from 'pg';
import { openPrivacy } from '../privacy/connection.ts';
import { cleanUp } from '../privacy/erasing.ts';

/*
 * Ends what erasures have left open: who erases cleans up at once, and may be killed, or find an old transaction in the way. Any number of
 * workers may do so, because clean-ups take turns. A clean-up that is stopped leaves nothing half done that the next one does not do again.
 */

export type CleanUpState = {
  /** Whether this worker has the login for it. */
  has_login: boolean;
  /** Of the last try, if it failed: a code of PostgreSQL or of the network. */
  error?: string;
  /** Of the last try: who keeps former rows alive, so that it did not come to its end. */
  waits_for?: string;
};

export type CleanUps = {
  state(): CleanUpState;
  /** Settles within two seconds, whether or not the database answers. */
  stop(): Promise<void>;
};

const everyMsDefault = 60_000;
/** So long an erasure is left to whoever did it. */
const leaveMsDefault = 600_000;
const stopWithinMs = 2_000;

/**
 * Looks for open erasures every so often until it is stopped.
 *
 * @param url as privacy_app; undefined: this worker does nothing, and says so in its heartbeat
 */
export function startCleanUps({
  url,
  everyMs = everyMsDefault,
  leaveMs = leaveMsDefault,
  onError,
}: {
  url: string | undefined;
  everyMs?: number;
  leaveMs?: number;
  onError: (error: unknown) => void;
}): CleanUps {
  if (!url) return { state: () => ({ has_login: false }), stop: async () => {} };
  const stopping = new AbortController();
  const privacy = openPrivacy(url, { max: 1 });
  let error: string | undefined;
  let waitsFor: string | undefined;
  let busy: pg.Client | undefined;

  async function look(): Promise<void> {
    await privacy.alone(undefined, async (client) => {
      busy = client;
      client.on('error', () => {}); // the running statement fails with the same error
      const { rows } = await client.query(
        `select exists (select from platform.erasures
           where state = 'erased' and erased_at < clock_timestamp() - make_interval(secs => $1::float8 / 1000)) as is_due`,
        [leaveMs],
      );
      const done = rows[0].is_due && !stopping.signal.aborted ? await cleanUp(client) : undefined;
      waitsFor = done?.waitsFor?.[0];
    });
  }

  const running = (async () => {
    while (!stopping.signal.aborted) {
      try {
        await look();
        error = undefined;
      } catch (reason) {
        if (!stopping.signal.aborted) {
          error = (reason as { code?: string }).code ?? 'error';
          onError(reason);
        }
      }
      busy = undefined;
      await wait(everyMs, undefined, { signal: stopping.signal }).catch(() => {});
    }
  })();

  /** What runs on the server ends there, too: an index that is built takes minutes. */
  async function cancel(): Promise<void> {
    const pid = (busy as unknown as { processID?: number } | undefined)?.processID;
    if (pid) await privacy.with(undefined, (client) => client.query('select pg_cancel_backend($1)', [pid]));
  }

  return {
    state: () => ({ has_login: true, ...(error && { error }), ...(waitsFor && { waits_for: waitsFor }) }),
    async stop() {
      stopping.abort();
      await Promise.race([
        cancel()
          .catch(() => {})
          .then(() => running)
          .then(() => privacy.close()),
        wait(stopWithinMs, undefined, { ref: false }),
      ]);
    },
  };
}
