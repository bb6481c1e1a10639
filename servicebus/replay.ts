import { randomBytes } from 'node:crypto';
import { type EventRow, eventColumns, toEvent } from '@aether/platform/log';
import { openClient } from './client.ts';
import { toConfigurationError } from './failures.ts';
import { openSender } from './relay/sending.ts';
import { requireSubscriptionName, type ServiceBusSettings } from './settings.ts';
import { lanesDefault, toMessage } from './wire.ts';

export type ReplayWish = {
  subscription: string;
  /** The audiences that the subscription gets: another app's events are not for it. */
  audiences: string[];
  since?: Date | undefined;
  customer?: string | undefined;
  key?: string | undefined;
  fromPosition?: number | undefined;
  types?: string[] | undefined;
  /** Of a replay that was cut short: events of it that were sent are not sent twice. By default a new one. */
  run?: string | undefined;
  onProgress?: ((sent: number, position: number) => void) | undefined;
};

type Ask = <Row>(text: string, values: unknown[]) => Promise<Row[]>;

/**
 * Sends events of the log again, to one subscription alone, in their order, up to those that are the newest at the call. The others get nothing of
 * it. The consumer's handler gets them marked `isReplay`, behind what waits for it already: compare versions.
 *
 * @param ask asks the platform database as sync_app
 * @returns how many were sent, how many were not because no message of the namespace may be so large, and the name of the run
 */
export async function replayToConsumer(
  ask: Ask,
  settings: ServiceBusSettings,
  wish: ReplayWish,
): Promise<{ sent: number; tooLarge: number; run: string }> {
  const { subscription, audiences, since, customer, key, fromPosition = 1, types, onProgress = () => {} } = wish;
  requireSubscriptionName(subscription);
  const run = wish.run ?? `replay-${randomBytes(4).toString('hex')}`;
  const [bounds] = await ask<{ head: number | string; first: number | string; lanes: number }>(
    'select sync.head() as head, coalesce(sync.position_at($1), 1) as first, (select lanes from sync.relay) as lanes',
    [since ?? null],
  );
  const lanes = bounds?.lanes ?? lanesDefault;
  const head = Number(bounds?.head ?? 0);
  let after = Math.max(fromPosition, since ? Number(bounds?.first ?? 1) : 1) - 1;
  const sender = openSender(() => openClient(settings), settings.topic);
  let sent = 0;
  let tooLarge = 0;
  try {
    while (after < head) {
      const rows = await ask<EventRow & { audience: string }>(readReplay, [
        after,
        head,
        audiences,
        types ?? null,
        customer ?? null,
        key ?? null,
      ]);
      const events = rows.map((row) => ({
        ...toEvent({
          ...row,
          position: Number(row.position),
          id: Number(row.id),
          version: row.version === null ? null : Number(row.version),
        }),
        audience: row.audience,
      }));
      const outcome = await sender.send(
        events.map((event) => toMessage(event, lanes, { recipient: subscription, run })),
      );
      sent += outcome.settled - outcome.tooLarge.length;
      tooLarge += outcome.tooLarge.length;
      if (outcome.error) throw toConfigurationError(outcome.error, settings, subscription);
      after = rows.length < pageMax ? head : Number(rows.at(-1)?.position);
      onProgress(sent, after);
    }
    return { sent, tooLarge, run };
  } finally {
    await sender.close();
  }
}

const pageMax = 500;
/** By the index of the customer or of the key if one is given, else along the log. */
const readReplay = `select ${eventColumns}, e.audience from sync.events e
  where e.position > $1 and e.position <= $2 and e.audience = any ($3) and ($4::text[] is null or e.type = any ($4))
    and ($5::uuid is null or e.position = any (array(select sync.list_events_naming(sync.list_merged($5)))))
    and ($6::text is null or e.key = $6)
  order by e.position limit ${pageMax}`;
