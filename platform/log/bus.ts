import { becauseOf, withoutCause } from './cause.ts';
import type { Connection } from './connection.ts';
import { InvalidField } from './errors.ts';
import { type EventType, type EventTypes, type PayloadSchemas, publish } from './events.ts';
import { openFeed } from './feed.ts';
import {
  type BatchHandler,
  type Handler,
  type Subscription,
  type SubscriptionOptions,
  startSubscription,
} from './subscriptions.ts';
import type { Transaction } from './transaction.ts';
import { listenForEvents } from './wakeups.ts';

export type EventBus = ReturnType<typeof openEventBus>;

type Options<Type extends EventType> = Partial<SubscriptionOptions<Type>>;

/** Publishing, durable subscriptions and the live feed of one app. Nothing is opened until the first subscriber or follower. */
export function openEventBus(connection: Connection, listenUrl: string | undefined, schemas?: PayloadSchemas) {
  let open: { wakeups: ReturnType<typeof listenForEvents>; feed: ReturnType<typeof openFeed> } | undefined;
  const subscriptions = new Set<Subscription>();

  function opened() {
    if (open) return open;
    const wakeups = listenForEvents(listenUrl);
    open = { wakeups, feed: openFeed(connection, wakeups) };
    return open;
  }

  function add<Type extends EventType>(options: SubscriptionOptions<Type>, handle: BatchHandler<Type>): Subscription {
    if ([...subscriptions].some(({ name }) => name === options.name))
      throw new InvalidField([
        {
          field: 'name',
          message: `is ${options.name}, which this process subscribes already: give each handler its own`,
        },
      ]);
    // A request may subscribe: what the subscription does later is not done for that request.
    const subscription = withoutCause(() => startSubscription(connection, opened().wakeups, options, handle));
    subscriptions.add(subscription);
    return {
      name: subscription.name,
      async stop() {
        await subscription.stop();
        subscriptions.delete(subscription);
      },
    };
  }

  return {
    /**
     * Publishes an app's own event in the given transaction: it exists if and only if that commits. What happens to a row of
     * a table is published by the database itself, whoever changes it.
     *
     * @throws InvalidField when the type is not the app's own, or the data not what its schema says, or no object of at most 64 KB.
     */
    publish: <Type extends EventType>(
      type: Type,
      data: EventTypes[Type],
      tx: Transaction,
      options: { key?: string; to?: 'everybody' | 'own' } = {},
    ): Promise<void> => publish(connection, schemas, type, data, { ...options, tx }),

    /**
     * Calls `handle` for each event of a type, once, in the order of each key, from now on and whenever this process or another
     * one of the app runs. What fails is tried again, without holding up other keys. What the handler writes outside of its `tx` carries
     * the trace of the event.
     *
     * @param options.name by default the app and the type.
     */
    subscribe<Type extends EventType>(type: Type, handle: Handler<Type>, options: Options<Type> = {}): Subscription {
      return add({ name: `${connection.app}.${type}`, types: [type], ...options }, async (events, context) => {
        for (const event of events) await becauseOf({ trace: event.trace ?? undefined }, () => handle(event, context));
      });
    },

    /** As `subscribe`, for several types and up to `batchMax` events at a time. */
    subscribeBatch: add,

    /**
     * The live feed, not durable: for caches and screens.
     *
     * @throws FellBehind to a reader who is too slow, or who has seen what a crash of the database undid.
     */
    follow: ((options) => opened().feed.follow(options)) as ReturnType<typeof openFeed>['follow'],

    /** The position of the newest event that the app may see; 0 when there is none. */
    head: async (): Promise<number> => (await opened().feed.readHead()).position,

    /** The same with the event's id, for who comes back to it later: see `has`. */
    place: (): Promise<{ position: number; id: number }> => opened().feed.readHead(),

    /** Whether an event stands at this position still: after a crash of the database another one may. */
    has: (position: number, id: number): Promise<boolean> => opened().feed.has(position, id),

    /** How far the live feed can be trusted: see FeedState. */
    feedState: () => open?.feed.state() ?? 'idle',

    /** Whether what is committed reaches those who follow at once, for whoever would rather read anew than trust a cache. */
    isLive: () => open?.feed.state() === 'live',

    async close(): Promise<void> {
      await Promise.all([...subscriptions].map((subscription) => subscription.stop()));
      await open?.feed.close();
      await open?.wakeups.close();
    },
  };
}
