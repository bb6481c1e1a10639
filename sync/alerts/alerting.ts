import { setTimeout as sleep } from 'node:timers/promises';
import type { Log, Metrics } from '@aether/http';
import type { Ask } from '../health/evaluation.ts';
import type { Alert } from './alert.ts';
import type { AlertSettings } from './settings.ts';
import { DeliveryFailed, type Target } from './target.ts';

/*
 * Alerts. The state of every check is in sync.check_states. Every two seconds a process asks the database to compare it with what was told
 * last (sync.announce_alerts): what has changed and has lasted becomes one row of sync.alerts, and one row of sync.alert_deliveries for
 * each target. The worker and the console both run this, and each process that knows a target delivers to it.
 *
 * A delivery is claimed for half a minute, sent, and settled. What each failure does:
 * - The target refuses or does not answer: the delivery waits, longer each time, for three days.
 * - The process is killed before it has sent: its claim ends, and another one sends.
 * - The process is killed after it has sent: the alert is sent once more, with the same id, by which a receiver knows it.
 * - The process is stopped for longer than its claim: what it settles later no longer counts.
 * - The database is out of reach: nothing is told until it is back. Then the present state counts.
 * - All processes are down: the same.
 */

export type AlertingOptions = {
  ask: Ask;
  settings: AlertSettings;
  log: Pick<Log, 'warn' | 'error'>;
  metrics?: Pick<Metrics, 'record'> | undefined;
  everyMs?: number;
  /** How long a process may take for one delivery before another may take it. It is longer than any delivery takes. */
  claimMs?: number;
  /** How long a delivery under way may take when the process ends. */
  endMs?: number;
};

const claimMsDefault = 30_000;

type Claim = Omit<Alert, 'messageId' | 'toldAt'> & {
  alert_id: number;
  message_id: string;
  told_at: Date;
  attempt: number;
};

/** Tells changes of checks and delivers alerts until it is stopped. @returns stops it within two seconds and a bit */
export async function startAlerting(options: AlertingOptions): Promise<() => Promise<void>> {
  const { ask, log, everyMs = 2_000, endMs = 2_000 } = options;
  const targets = await openTargets(options.settings);
  const stopping = new AbortController();
  const cutting = new AbortController();
  const lastError = new Map<string, string>();

  async function repeat(what: string, work: () => Promise<unknown>): Promise<void> {
    while (!stopping.signal.aborted) {
      await work()
        .then(() => lastError.delete(what))
        .catch((error) => {
          // The same failure is told once, not every two seconds.
          if (lastError.get(what) !== String(error)) log.error({ err: error }, what);
          lastError.set(what, String(error));
        });
      await sleep(everyMs, undefined, { signal: stopping.signal, ref: false }).catch(() => {});
    }
  }

  const running = Promise.all([
    repeat('alerts are not announced', () => ask('select sync.announce_alerts()')),
    ...targets.map((target) =>
      repeat(`alerts are not delivered: ${target.name}`, async () => {
        await ask('select sync.name_alert_target($1)', [target.name]);
        while (!stopping.signal.aborted && (await deliverNext(target, options, cutting.signal)));
      }),
    ),
  ]);
  return async () => {
    stopping.abort();
    const timer = setTimeout(() => cutting.abort(), endMs);
    await Promise.race([running, sleep(endMs + 500, undefined, { ref: false })]); // the database may not answer
    clearTimeout(timer);
    for (const target of targets) target.close();
  };
}

async function openTargets({ webhook, mail, consoleUrl }: AlertSettings): Promise<Target[]> {
  // Loaded only where it is used.
  return [
    ...(webhook ? [(await import('./webhook.ts')).openWebhook(webhook, consoleUrl)] : []),
    ...(mail ? [(await import('./mail.ts')).openMail(mail, consoleUrl)] : []),
  ];
}

/** @returns whether there was an alert for the target. */
async function deliverNext(
  target: Target,
  { ask, log, metrics, claimMs = claimMsDefault }: AlertingOptions,
  signal: AbortSignal,
): Promise<boolean> {
  const [claim] = (await ask('select * from sync.claim_alert($1, $2)', [target.name, claimMs / 1_000])) as Claim[];
  if (!claim) return false;
  const { alert_id, message_id: messageId, told_at: toldAt, attempt, ...alert } = claim;
  let failure: string | undefined;
  try {
    await target.deliver({ ...alert, messageId, toldAt }, signal);
  } catch (error) {
    failure = error instanceof DeliveryFailed ? error.message : 'failed';
    log.warn(
      { target: target.name, alert: alert_id, attempt, reason: failure },
      'an alert was not delivered; it is tried again',
    );
  }
  metrics?.record('alertsDelivered', 1, {
    'aether.alert.target': target.name,
    'aether.alert.outcome': failure === undefined ? 'sent' : 'failed',
  });
  await ask('select sync.settle_alert($1, $2, $3, $4)', [alert_id, target.name, attempt, failure ?? null]);
  return true;
}
