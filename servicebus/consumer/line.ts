import type { ServiceBusClient } from '@azure/service-bus';
import { onLineDropped, openClient } from '../client.ts';
import { BusFailure, describeBusFailure, toBusFailure, toConfigurationError } from '../failures.ts';
import type { ServiceBusSettings } from '../settings.ts';
import { within } from '../within.ts';
import type { Condition } from './condition.ts';

/** The line of a consumer to the broker. One that does not answer is thrown away, and the next call opens another. */
export type Line = {
  client(): ServiceBusClient;
  /** Whether this client is still in use. */
  isCurrent(client: ServiceBusClient): boolean;
  throwAway(): void;
  /** A call of the broker has failed: the consumer rests, and its operator is told what to do. */
  refuse(error: unknown): void;
  /** Whether the subscription is there, may be read and has sessions. */
  probe(): Promise<boolean>;
  close(): Promise<void>;
};

export function openLine({
  settings,
  subscription,
  acceptMs,
  condition,
  stopping,
  onSettingWrong,
  onThrownAway,
}: {
  settings: ServiceBusSettings;
  subscription: string;
  acceptMs: number;
  condition: Condition;
  stopping: AbortSignal;
  /** Waiting does not help: a setting, a right or the subscription is wrong. */
  onSettingWrong: (error: Error) => void;
  onThrownAway: () => void;
}): Line {
  let client: ServiceBusClient | undefined;

  function get(): ServiceBusClient {
    client ??= openWatched();
    return client;
  }

  /** Its lanes are lost when its line drops, and nobody answers this process until there is another one: others must not give up lanes for it. */
  function openWatched(): ServiceBusClient {
    const opened = openClient(settings, { timeoutInMs: acceptMs });
    onLineDropped(opened, () => {
      if (client === opened) refuse(new BusFailure('unreachable', 'The line to Service Bus has dropped.'));
    });
    return opened;
  }

  function throwAway(): void {
    const closing = client;
    client = undefined;
    closing?.close().catch(() => {}); // it may wait for a line that is gone
    onThrownAway();
  }

  function refuse(thrown: unknown): void {
    if (stopping.aborted) return;
    const error = toBusFailure(thrown);
    const { kind } = error;
    if (kind === 'unauthorized' || kind === 'missing' || kind === 'misconfigured')
      onSettingWrong(toConfigurationError(error, settings, subscription));
    if (kind === 'unreachable') throwAway();
    condition.rest(error, describeBusFailure(error, settings, subscription));
  }

  return {
    client: get,
    isCurrent: (other) => client === other,
    throwAway,
    refuse,
    /** Known at once: without a message, accepting a session says nothing for long. A subscription that has sessions refuses a receiver without. */
    async probe() {
      const receiver = get().createReceiver(settings.topic, subscription);
      try {
        await within(receiver.receiveMessages(1, { maxWaitTimeInMs: 1 }));
        refuse(new BusFailure('misconfigured', 'A receiver without sessions was let in.'));
        return false;
      } catch (error) {
        if (toBusFailure(error).kind === 'misconfigured') return true;
        refuse(error);
        return false;
      } finally {
        receiver.close().catch(() => {}); // gives back what it may have received
      }
    },
    async close() {
      await client?.close().catch(() => {});
    },
  };
}
