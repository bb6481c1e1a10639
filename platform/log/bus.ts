import { becauseOf, withoutCause } from './cause.ts';
import type { Connection } from './connection.ts';
import { InvalidField } from './errors.ts';
import { type EventType, type EventTypes, type PayloadSchemas, type PublishOptions, publish } from './events.ts';
import { openFeed } from './feed.ts';
import type { BatchHandler, Handler } from './handlers.ts';
import { type Happening, openLifecycle } from './lifecycle.ts';
import type { Place } from './log.ts';
import { type EventPage, type PageOptions, readEvents } from './page.ts';
import { removeSubscription, requireOwnName, requireShares } from './registration.ts';
import {
  requireNumbers,
  type Subscription,
  type SubscriptionOptions,
  type SubscriptionProgress,
} from './subscription.ts';
import { startSubscription } from './subscriptions.ts';
import type { Transaction } from './transaction.ts';
import { listenForEvents } from './wakeups.ts';

export type EventBus = ReturnType<typeof openEventBus>;

type Options<Type extends EventType> = Partial<SubscriptionOptions<Type>>;

/** Publishing, durable subscriptions and the live feed of one app. Nothing is opened until the first subscriber or follower. */
export function openEventBus(connection: Connection, listenUrl: string | undefined, schemas?: PayloadSchemas) {
  let open: { wakeups: ReturnType<typeof listenForEvents>; feed: ReturnType<typeof openFeed> } | undefined;
  const lifecycle = openLifecycle();
  const subscriptions = new Set<Subscription>();

  function opened() {
    if (open) return open;
    const wakeups = listenForEvents(listenUrl);
    open = { wakeups, feed: openFeed(connection, wakeups, lifecycle) };
    return open;
  }

  /** Measures a handler at work, for those who watch it: under the trace of its event, or of the newest of a batch. */
  const timed = (name: string, event: { trace: string | null } | undefined, work: () => Promise<unknown>) =>
    connection.timeWork({ kind: 'handler', name, trace: event?.trace }, work);

  function add<Type extends EventType>(options: SubscriptionOptions<Type>, handle: BatchHandler<Type>): Subscription {
    requireOwnName(connection.app, options.name);
    requireShares(options.shares);
    requireNumbers(options);
    if ([...subscriptions].some(({ name }) => name === options.name))
      throw new InvalidField([
        {
          field: 'name',
          message: `is ${options.name}, a name that this process already uses: give each handler a name of its own`,
        },
      ]);
    // A request may subscribe. What the subscription does later is not done on behalf of that request.
    const subscription = withoutCause(() =>
      startSubscription({ connection, wakeups: opened().wakeups, lifecycle }, options, handle),
    );
    subscriptions.add(subscription);
    return {
      ...subscription,
      async stop() {
        await subscription.stop();
        subscriptions.delete(subscription);
      },
      async remove() {
        await subscription.remove();
        subscriptions.delete(subscription);
      },
    };
  }

  return {
    /**
     * Publishes an app's own event in the given transaction: the event exists if and only if that transaction commits. The database
     * itself
     * publishes every change of a table's row, whichever login makes it.
     *
     * @throws InvalidField when the type is not the app's own, the data does not match its schema, or the data is not an object of at
     * most 64 KB.
     */
    publish: <Type extends EventType>(
      type: Type,
      data: EventTypes[Type],
      tx: Transaction,
      options: PublishOptions = {},
    ): Promise<void> => publish(connection, schemas, type, data, { ...options, tx }),

    /**
     * Calls `handle` once for each event of a type, from now on, in the order of each customer and of each row. It runs whenever this
     * process or another one of the app runs. An event that fails is tried again without holding up other customers. `ready` settles
     * when no event that commits from then on can be missed. Whatever the handler writes carries the trace of the event.
     *
     * @param options.name by default the app and the type.
     * @param options.shares how many shares its customers are spread over: so many processes can work on it at a time. By default one.
     * @throws InvalidField when the name does not begin with the app's name, or this process already has a subscription of that name, or it
     * cannot have so many shares, or a number of its options is none that it can go by.
     */
    subscribe<Type extends EventType>(type: Type, handle: Handler<Type>, options: Options<Type> = {}): Subscription {
      const name = options.name ?? `${connection.app}.${type}`;
      return add({ types: [type], ...options, name }, async (events, { txOf, ...context }) => {
        for (const event of events)
          await becauseOf({ trace: event.trace ?? undefined }, () =>
            timed(name, event, () => handle(event, { ...context, tx: txOf(event) })),
          );
      });
    },

    /**
     * As `subscribe`, for several types and up to `batchMax` events at a time. What the handler writes carries the trace of the newest event
     * of the batch; through `txOf(event)` it carries that of the given one.
     */
    subscribeBatch: <Type extends EventType>(
      options: SubscriptionOptions<Type>,
      handle: BatchHandler<Type>,
    ): Subscription =>
      add(options, (events, context) => timed(options.name, events.at(-1), async () => handle(events, context))),

    /**
     * Removes a subscription of the app that no code runs any more, with its position and everything that it has parked.
     *
     * @returns whether there was one.
     */
    async unsubscribe(name: string): Promise<boolean> {
      requireOwnName(connection.app, name);
      for (const subscription of [...subscriptions].filter((each) => each.name === name)) {
        await subscription.stop();
        subscriptions.delete(subscription);
      }
      return removeSubscription(connection, name);
    },

    /**
     * Calls the listener for everything that happens to subscriptions and the feed, for a log or metrics: see Happening. @returns ends
     * it.
     */
    watch: (listener: (happening: Happening) => void): (() => void) => lifecycle.watch(listener),

    /**
     * The live feed, not durable: for caches and screens. `place()` of the result says up to where everything has been delivered.
     *
     * @throws FellBehind when the reader is too slow, or has seen events that a crash of the database undid.
     */
    follow: ((options) => opened().feed.follow(options)) as ReturnType<typeof openFeed>['follow'],

    /**
     * One page of the log, for a reader that asks for the next one itself and keeps the place: an app that polls, or a route that gives it
     * on. Whoever runs all the time takes a subscription.
     *
     * @throws FellBehind when the log no longer has every event after the place: begin from a snapshot.
     */
    page: <Type extends EventType>(options: PageOptions<Type>): Promise<EventPage<Type>> =>
      readEvents(connection, options),

    /** The newest position; 0 when there is none. */
    head: async (): Promise<number> => (await opened().feed.readHead()).position,

    /** The newest place. A reader keeps it to come back to it later. See `has`. */
    place: (): Promise<Place> => opened().feed.readHead(),

    /**
     * Whether a reader that continues at this place misses nothing. After a crash of the database another event may have the position, and
     * retention removes old events.
     */
    has: (place: Place): Promise<boolean> => opened().feed.has(place),

    /** How each subscription of this process gets on, by its name. */
    progress: (): Record<string, SubscriptionProgress> =>
      Object.fromEntries([...subscriptions].map(({ name, progress }) => [name, progress()])),

    /** How far the live feed can be trusted: see FeedState. */
    feedState: () => open?.feed.state() ?? 'idle',

    /** Whether committed events reach followers at once. A reader that needs more than that reads the tables. */
    isLive: () => open?.feed.state() === 'live',

    /** Stops every subscription and the feed of this process. */
    async close(): Promise<void> {
      await Promise.all([...subscriptions].map((subscription) => subscription.stop()));
      await open?.feed.close();
      await open?.wakeups.close();
    },
  };
}
