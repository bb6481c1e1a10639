import { randomBytes } from 'node:crypto';
import { hostname } from 'node:os';
import { openClient } from '../client.ts';
import { openSender } from '../relay/sending.ts';
import { type ConsumerReport, toReportMessage } from '../reports.ts';
import type { ServiceBusSettings } from '../settings.ts';
import type { BusEvent } from '../wire.ts';
import { createBell } from './bell.ts';
import { collectEffects } from './effects.ts';
import type { Inbox } from './inbox.ts';

/** What a process of a consumer reports to Sync Health, over the bus. */
export type Reporting = {
  effects: Pick<ReturnType<typeof collectEffects>, 'add'>;
  /** Events were handled. */
  note(events: BusEvent[], fresh: number): void;
  handled(): number;
  /** A report should not wait. */
  ring(): void;
  /** Reports until the consumer stops. */
  run(): Promise<void>;
  /** The last one. */
  end(): Promise<void>;
  close(): Promise<void>;
};

type Counts = Pick<ConsumerReport, 'parked' | 'dead' | 'paused' | 'error' | 'answers'>;

const everyMs = 5_000;
/** How many parked events a report names. */
const parkedShown = 20;

/** Names this process among those of its consumer. */
export const nameProcess = (): string =>
  `${
    hostname()
      .replaceAll(/[^A-Za-z0-9.-]/g, '-')
      .slice(0, 40) || 'process'
  }-${process.pid}-${randomBytes(2).toString('hex')}`;

/** @param isOn without it nothing is sent, and events are counted alone */
export function createReporting({
  isOn,
  settings,
  subscription,
  processName,
  inbox,
  stopping,
  counts,
}: {
  isOn: boolean;
  settings: ServiceBusSettings;
  subscription: string;
  processName: string;
  inbox: Pick<Inbox, 'listParked'>;
  stopping: AbortSignal;
  counts: () => Counts;
}): Reporting {
  const sender = isOn ? openSender(() => openClient(settings), settings.topic) : undefined;
  const collected = collectEffects();
  const bell = createBell();
  let handled = 0;
  let lagSeconds: number | undefined;

  async function report(ends: boolean): Promise<void> {
    if (!sender) return;
    const taken = collected.take();
    const now = counts();
    const parked = now.parked > 0 ? await inbox.listParked(parkedShown, true).catch(() => []) : [];
    const { error } = await sender.send([
      toReportMessage({
        ...now,
        subscription,
        process: processName,
        handled,
        lag_seconds: lagSeconds,
        ends,
        effects: taken,
        parked_events: parked.map(({ id, type, session, state, attempts, error: text, parked_at }) => ({
          ...{ event: id, type, session, state, attempts, at: parked_at.toISOString() },
          // The class alone: the text may hold values.
          error: text === null ? null : (/^[A-Za-z0-9_.-]{1,60}/.exec(text)?.[0] ?? 'Error'),
        })),
      }),
    ]);
    if (error !== undefined) collected.giveBack(taken);
  }

  return {
    effects: isOn ? collected : { add() {} },
    note(events, fresh) {
      handled += fresh;
      const last = events.at(-1);
      if (last && fresh > 0) lagSeconds = Math.max(0, (Date.now() - last.occurredAt.getTime()) / 1000);
    },
    handled: () => handled,
    ring: bell.ring,
    async run() {
      while (isOn && !stopping.aborted) {
        await report(false);
        await bell.next(everyMs);
      }
    },
    end: () => report(true).catch(() => {}),
    close: async () => sender?.close(),
  };
}
