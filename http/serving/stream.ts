import type { AppEvent, EventType, Following, Place, PlatformDb, Signal } from '@aether/platform';
import { FellBehind } from '@aether/platform';
import { z } from '@hono/zod-openapi';
import { allows, type Caller } from '../caller.ts';
import { object } from '../input/fields.ts';
import { Problem, refuseFields } from '../problem.ts';
import { refuseScope } from '../rights.ts';
import { type AppScopes, type Scope, scopeOfEvent } from '../scopes.ts';
import { createStaffRoute } from '../staff.ts';
import type { App } from './app.ts';
import { answerEvents } from './longanswer.ts';
import { countSeats } from './seats.ts';

const typesMax = 50;
const types = z
  .string()
  .transform((value) => value.split(','))
  .refine((list) => list.length <= typesMax && list.every((type) => /^[a-z][a-z0-9_]*\.[a-z0-9_.]+$/.test(type)), {
    error: `must be at most ${typesMax} types with commas between them, such as customer.updated,session.created`,
  })
  .openapi({ type: 'string', example: 'customer.created,customer.updated' });

const signalsWaitingMax = 100;

const stream = createStaffRoute({
  method: 'get',
  path: '/api/events',
  right: 'events.read',
  summary: 'What happens, as it happens: server-sent events',
  description:
    'Each message has the event as JSON, its type as `event`, and an `id` to go on from (`Last-Event-ID`). Every few seconds an `id` alone says that the line is open and moves the place on, also past events that you did not ask for. `reset` says that the place is no longer in the log: load again what you show. `signal`, without an id, says what is passing, such as who is typing.',
  request: {
    query: object({ types: types.optional() }),
    headers: z.object({
      'last-event-id': z.string().max(64).optional().openapi({ description: 'The `id` of the last message one has.' }),
    }),
  },
  responses: {
    200: { description: 'A stream without end.', content: { 'text/event-stream': { schema: z.string() } } },
  },
});

export type StreamOptions = {
  /** Ends all streams, so that the server can close. */
  closing: AbortSignal;
  /** The scope that reads the record of an event, by entity. */
  ofEvents: AppScopes['ofEvents'];
  heartbeatMs?: number;
  /**
   * How often the stream checks that the caller may still listen. After the end of a sign-in it goes on for at most
   * this long.
   */
  welcomeMs?: number;
  /** How many streams are open at once in this process. */
  streamsMax?: number;
  /** How many of them one person has, or one machine. */
  streamsPerPersonMax?: number;
  /** Passes on `signal` messages in addition to the events. @returns a function that stops it. */
  signals?: (listener: (signal: Signal) => void) => () => void;
  /** Limits the events that a caller gets further than its scopes do. Called once for each stream. */
  hearing?: (caller: Caller) => Hearing;
};

/** Decides for one stream whether the caller gets an event, at the moment when the event comes. */
export type Hearing = {
  hears(event: AppEvent): Promise<boolean>;
  hearsSignal(signal: Signal): Promise<boolean>;
};

/**
 * Adds `GET /api/events`. A client gets the events that the database login of the app may see, limited by the client's
 * scopes and by `hearing`.
 */
export function addEventStream(
  app: App,
  db: PlatformDb,
  {
    closing,
    ofEvents,
    heartbeatMs,
    welcomeMs = 3_000,
    streamsMax = 500,
    streamsPerPersonMax = 30,
    signals,
    hearing,
  }: StreamOptions,
): void {
  const takeSeat = countSeats({ max: streamsMax, maxEach: streamsPerPersonMax });
  const scopeOf = openScopeOf(db, ofEvents);
  /** A token with scopes gets only events about records that one of its scopes reads. */
  const allowsEvent = async (caller: Caller, type: string): Promise<boolean> => {
    if (caller.scopes === undefined) return true;
    const scope = await scopeOf(type);
    return scope !== undefined && allows(caller, scope);
  };
  app.openapi(stream, async (c) => {
    const place = parsePlace(c.req.valid('header')['last-event-id']);
    const wanted = c.req.valid('query').types as EventType[] | undefined;
    const caller = c.get('caller') as Caller;
    for (const type of wanted ?? [])
      if (!(await allowsEvent(caller, type))) throw refuseScope((await scopeOf(type)) ?? 'events.read');
    const heard = hearing?.(caller);
    // Taken before the first await; otherwise a hundred requests could pass the check at once.
    const leave = takeSeat(caller.actor?.id ?? `machine ${caller.machine ?? ''}`);
    if (leave === 'own-taken')
      throw new Problem({
        status: 429,
        code: 'too-many-streams',
        detail: `You have ${streamsPerPersonMax} streams open already. Close one, such as a tab that is not needed.`,
        headers: { 'Retry-After': '10' },
      });
    if (leave === 'all-taken')
      throw new Problem({
        status: 503,
        code: 'too-many-streams',
        detail: `There are ${streamsMax} open streams already. Close one, or try again later.`,
        headers: { 'Retry-After': '10' },
      });
    let isKnown: boolean;
    let begin: Place;
    try {
      isKnown = !place || (await db.events.has(place));
      // The place is read before the client sees an open stream, so the client misses no later event.
      begin = place && isKnown ? place : await db.events.place();
    } catch (error) {
      leave();
      throw error;
    }
    let following: Following<EventType> | undefined;
    // The place before an event, while `hearing` decides about that event: it has not been sent.
    let undecided: Place | undefined;
    // A stream with a rare filter comes back to this place, not to its last event, so that it need not read the log
    // from there.
    const heartbeat = () => `: open\nid: ${formatPlace(undecided ?? following?.place() ?? begin)}\n\n`;
    return answerEvents(c, { closing, heartbeatMs, heartbeat, onEnd: leave }, async (answer) => {
      const { over } = answer;
      let signalsWaiting = 0;
      const deafen = signals?.(async (signal) => {
        if (signalsWaiting >= signalsWaitingMax) return; // a slow reader misses some signals, which are worthless later
        signalsWaiting += 1;
        const isHeard = !heard || (await heard.hearsSignal(signal).catch(() => false));
        if (isHeard) await answer.writeEvent({ event: 'signal', data: JSON.stringify(signal) });
        signalsWaiting -= 1;
      });
      const welcome = setInterval(async () => {
        if (!(await caller.isStillWelcome().catch(() => true))) answer.leave();
      }, welcomeMs);
      try {
        // It has an id, so that a reader that is cut off before the first event comes back to this place.
        await answer.write(heartbeat());
        if (!isKnown) await answer.writeEvent({ event: 'reset', data: '{}' });
        following = db.events.follow({ types: wanted, after: begin, signal: over });
        let before = begin;
        for await (const event of following) {
          undecided = before;
          before = event;
          const isHeard = (await allowsEvent(caller, event.type)) && (!heard || (await heard.hears(event)));
          undecided = undefined;
          if (!isHeard) continue;
          await answer.writeEvent({ id: formatPlace(event), event: event.type, data: describe(event) });
          if (answer.isOver) break;
        }
      } catch (error) {
        // A reader that is too slow is cut off, and comes back to the last place that it got.
        if (!(error instanceof FellBehind)) throw error;
      } finally {
        clearInterval(welcome);
        deafen?.();
      }
    }) as never;
  });
}

const formatPlace = ({ position, id }: Place) => `${position}.${id}`;

/** The names of the apps are read when an event comes whose entity is unknown, and at most every few seconds: an app may be added. */
const appsKeptMs = 5_000;

function openScopeOf(db: PlatformDb, ofEvents: AppScopes['ofEvents']): (type: string) => Promise<Scope | undefined> {
  let apps: Promise<ReadonlySet<string>> = Promise.resolve(new Set<string>());
  let readAt = Number.NEGATIVE_INFINITY;
  return async (type) => {
    const known = scopeOfEvent(type, ofEvents, await apps.catch(() => new Set<string>()));
    if (known !== undefined || performance.now() - readAt < appsKeptMs) return known;
    readAt = performance.now();
    apps = db
      .query<{ name: string }>('select name from platform.apps')
      .then((rows) => new Set(rows.map(({ name }) => name)));
    return scopeOfEvent(type, ofEvents, await apps);
  };
}

/** `position.id`. The position alone is not enough, because after a crash the database may give it to another event. */
function parsePlace(text: string | undefined): Place | undefined {
  if (!text) return undefined;
  const [, position, id] = /^(\d{1,15})\.(\d{1,15})$/.exec(text) ?? [];
  if (position === undefined || id === undefined)
    throw refuseFields([
      { field: 'Last-Event-ID', in: 'header', message: 'must be the id of a message of this stream' },
    ]);
  return { position: Number(position), id: Number(id) };
}

/** The streams of a process get the same events: each is put into words once. */
const described = new WeakMap<AppEvent, string>();

function describe(event: AppEvent): string {
  const known = described.get(event) ?? putIntoWords(event);
  described.set(event, known);
  return known;
}

function putIntoWords({
  position,
  type,
  key,
  customer,
  rowId,
  version,
  app,
  actor,
  occurredAt,
  data,
  previous,
  isReplay,
}: AppEvent): string {
  return JSON.stringify({
    position,
    type,
    key,
    customer,
    row_id: rowId,
    version,
    app,
    actor,
    occurred_at: occurredAt,
    data,
    previous,
    is_replay: isReplay,
  });
}
