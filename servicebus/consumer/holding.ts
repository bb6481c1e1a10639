import type { ServiceBusClient, ServiceBusReceivedMessage, ServiceBusSessionReceiver } from '@azure/service-bus';
import { BusFailure, toBusFailure } from '../failures.ts';
import type { UnreadableMessage } from '../wire.ts';
import { within } from '../within.ts';
import { createBell } from './bell.ts';
import { type Lane, type LaneWork, workLane } from './lane.ts';
import type { Line } from './line.ts';
import { createShare, mayAsk, type Peer } from './sharing.ts';

/*
 * The lanes that this process holds. It asks for one after another, and keeps each open: what comes on an open lane is handled at once, while to
 * accept a session takes several calls in a row. A lane is given up if it has been idle for minutes, if another one needs its place, or if another
 * process of this consumer holds fewer (sharing.ts).
 */

export type Lanes = {
  /** Accepts lanes until the consumer stops. */
  run(): Promise<void>;
  held(): number;
  /** Whether it asks for lanes, and the broker answers: others give none up for a process that would get none. */
  asks(): boolean;
  /** The other processes of this consumer: it gives up what it holds beyond its share. */
  share(peers: Peer[]): void;
  /** Gives up all, after the batches under way. */
  giveUpAll(): void;
  /** The line was thrown away: the calls under way may not know it for long, and do not count any more. */
  forgetCalls(): void;
  /** Looks again whether a lane may be accepted. */
  ring(): void;
  /** Settles when none is held any more. */
  ended(): Promise<unknown>;
};

export type LanesOptions = {
  line: Line;
  topic: string;
  subscription: string;
  lanesMax: number;
  batchMax: number;
  acceptMs: number;
  stopping: AbortSignal;
  /** Nothing is accepted while it rests or is paused. */
  isAtRest: () => boolean;
  restMs: () => number;
  isPaused: () => boolean;
  handle: LaneWork['handle'];
  keep: LaneWork['keep'];
  onCommand(message: ServiceBusReceivedMessage): Promise<void>;
  onUnreadable(message: ServiceBusReceivedMessage, error: UnreadableMessage): void;
};

/** How long after its limit a call that asks for a lane has failed. */
export const acceptAnswerMs = 3_000;
/** The broker is asked for so many lanes at once while there are many. */
const acceptsMax = 4;
/** A lane that came so soon has waited for this process: there may be more. */
const soonMs = 1_000;
const lookMs = 500;
/** Longer than any lane is held: the SDK renews its lock until then. It is the longest time that a timer knows. */
export const renewForMs = 2_147_483_647;

export function holdLanes(options: LanesOptions): Lanes {
  const { line, topic, subscription, lanesMax, batchMax, acceptMs, stopping, isAtRest, restMs, isPaused } = options;
  const bell = createBell();
  const lanes = new Set<Lane>();
  const calls = new Set<object>();
  const share = createShare();
  let peers: Peer[] = [];
  let isBusy = false;
  // Whether the broker has answered the last call that asked for a lane; it has answered the consumer before the first one.
  let isAnswered = true;

  const kept = () => [...lanes].filter((lane) => !lane.isLeaving()).length;
  // One that leaves has its place until the last of its messages is completed.
  const placesTaken = () => lanes.size + calls.size;

  async function acceptOne(): Promise<void> {
    const startedAt = performance.now();
    const used = line.client();
    const accepted = used.acceptNextSession(topic, subscription, {
      maxAutoLockRenewalDurationInMs: renewForMs,
      skipParsingBodyAsJson: true,
      abortSignal: stopping,
    });
    let receiver: ServiceBusSessionReceiver;
    try {
      receiver = await within(accepted, acceptMs + acceptAnswerMs, used);
    } catch (error) {
      isBusy = false;
      // One that comes too late would keep its customers for as long as the SDK renews its lock.
      accepted.then((late) => late.close()).catch(() => {});
      const { kind } = toBusFailure(error);
      if (line.isCurrent(used)) isAnswered = kind === 'idle';
      if (stopping.aborted || kind === 'idle') return;
      if (line.isCurrent(used) || kind !== 'unreachable') line.refuse(error);
      return;
    }
    isBusy = performance.now() - startedAt < soonMs;
    isAnswered = true;
    share.noteTaken();
    hold(receiver, used);
  }

  function hold(receiver: ServiceBusSessionReceiver, from: ServiceBusClient): void {
    const lane = workLane({
      receiver,
      batchMax,
      handle: options.handle,
      keep: options.keep,
      isCrowded: () => placesTaken() >= lanesMax && longestIdle() === undefined,
      onIdle: bell.ring,
      isStopping: () => stopping.aborted || isPaused(),
      onCommand: options.onCommand,
      onUnreadable: options.onUnreadable,
    });
    lanes.add(lane);
    lane.ended
      .catch((error) => {
        // Anything else is known already: it made the consumer rest.
        if (!(error instanceof BusFailure)) return;
        if (error.kind === 'throttled') line.refuse(error);
        else if (error.kind !== 'lock-lost' && line.isCurrent(from)) line.throwAway();
      })
      .finally(() => {
        lanes.delete(lane);
        bell.ring();
      });
  }

  const longestIdle = (): Lane | undefined =>
    [...lanes]
      .filter((lane) => lane.idleSince() !== undefined && !lane.isLeaving())
      .sort((one, other) => (one.idleSince() ?? 0) - (other.idleSince() ?? 0))[0];

  const wantsOne = () =>
    !stopping.aborted && !isAtRest() && calls.size < (isBusy ? acceptsMax : 1) && mayAsk(kept(), peers);

  return {
    async run() {
      while (!stopping.aborted) {
        const wants = wantsOne();
        if (wants && placesTaken() >= lanesMax && kept() === lanes.size) longestIdle()?.leave();
        if (wants && placesTaken() < lanesMax) {
          const call = {};
          calls.add(call);
          acceptOne()
            .catch(line.refuse)
            .finally(() => {
              calls.delete(call);
              bell.ring();
            });
        } else {
          const rest = restMs();
          await bell.next(rest > 0 ? Math.min(rest + 1, lookMs) : lookMs);
        }
      }
    },
    held: () => lanes.size,
    asks: () => !stopping.aborted && !isAtRest() && isAnswered && lanes.size < lanesMax,
    share(found) {
      peers = found;
      for (let surplus = share.surplus(kept(), peers); surplus > 0; surplus--)
        (longestIdle() ?? [...lanes].find((lane) => !lane.isLeaving()))?.leave();
      bell.ring();
    },
    giveUpAll() {
      for (const lane of lanes) lane.leave();
    },
    forgetCalls() {
      isAnswered = false;
      calls.clear();
      bell.ring();
    },
    ring: bell.ring,
    ended: () => Promise.allSettled([...lanes].map(({ ended }) => ended)),
  };
}
