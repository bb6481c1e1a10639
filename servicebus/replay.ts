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
  /** How many events are read and sent at once. By default 500. */
  pageMax?: number;
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
  const { subscription, audiences, since, customer, key, fromPosition = 1, types } = wish;
  const { pageMax = 500, onProgress = () => {} } = wish;
  requireSubscriptionName(subscription);
  const run = wish.run ?? `replay-${randomBytes(4).toString('hex')}`;
  const [bounds] = await ask<{ head: number | string; first: number | string; lanes: number }>(
    'select sync.head() as head, coalesce(sync.position_at($1), 1) as first, (select lanes from sync.relay) as lanes',
    [since ?? null],
  );
  const lanes = bounds?.lanes ?? lanesDefault;
  const head = Number(bounds?.head ?? 0);
  const after = Math.max(fromPosition, since ? Number(bounds?.first ?? 1) : 1) - 1;
  const read = await openPages(ask, { after, head, audiences, types, customer, key, pageMax });
  const sender = openSender(() => openClient(settings), settings.topic);
  let sent = 0;
  let tooLarge = 0;
  try {
    for (let rows = await read(); rows.length > 0; rows = await read()) {
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
      onProgress(sent, Number(rows.at(-1)?.position));
    }
    return { sent, tooLarge, run };
  } finally {
    await sender.close();
  }
}

type ReadRow = EventRow & { audience: string };
type Range = Pick<ReplayWish, 'audiences' | 'types' | 'customer' | 'key'> & {
  after: number;
  head: number;
  pageMax: number;
};

const isWanted = `e.audience = any ($1) and ($2::text[] is null or e.type = any ($2)) and ($3::text is null or e.key = $3)`;

/**
 * Reads the events page by page, in their order; an empty page is the end. Those of a customer are listed once, since the list is made of the
 * events of everybody who was merged with the customer, and is as dear for each page as for all.
 */
async function openPages(
  ask: Ask,
  { after, head, audiences, types, customer, key, pageMax }: Range,
): Promise<() => Promise<ReadRow[]>> {
  const wanted = [audiences, types ?? null, key ?? null];
  if (customer === undefined)
    return async () => {
      const rows = await ask<ReadRow>(
        `select ${eventColumns}, e.audience from sync.events e
         where e.position > $4 and e.position <= $5 and ${isWanted} order by e.position limit ${pageMax}`,
        [...wanted, after, head],
      );
      after = Number(rows.at(-1)?.position ?? head);
      return rows;
    };
  const listed = await ask<{ position: number | string }>(
    `select l.position from sync.list_events_naming(sync.list_merged($1)) l (position)
     where l.position > $2 and l.position <= $3 order by 1`,
    [customer, after, head],
  );
  const positions = listed.map(({ position }) => Number(position));
  return async () => {
    while (positions.length > 0) {
      const rows = await ask<ReadRow>(
        `select ${eventColumns}, e.audience from sync.events e
         where e.position = any ($4) and ${isWanted} order by e.position`,
        [...wanted, positions.splice(0, pageMax)],
      );
      if (rows.length > 0) return rows;
    }
    return [];
  };
}
