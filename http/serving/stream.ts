import type { EventType, Following, Place, PlatformDb, Signal } from '@aether/platform';
import { FellBehind } from '@aether/platform';
import { refuseStranger } from '../actor.ts';
import type { Caller } from '../caller.ts';
import { object, pageSize } from '../input/fields.ts';
import { z } from '../input/zod.ts';
import { Problem, problems, refuseFields } from '../problem.ts';
import type { AppScopes } from '../scopes.ts';
import { createStaffRoute } from '../staff.ts';
import type { App } from './app.ts';
import { type Hearing, openEventAccess } from './eventaccess.ts';
import { EventPageSchema, pageMax, readAfter, readEventPage, waitMaxSeconds } from './eventpage.ts';
import { describeEvent, formatPlace, parsePlace, toWords } from './eventwords.ts';
import { KnownEventSchema } from './knownevents.ts';
import { answerEvents } from './longanswer.ts';
import { countSeats } from './seats.ts';

export type { Hearing } from './eventaccess.ts';

const typesMax = 50;
const types = z
  .string()
  .transform((value) => value.split(','))
  .refine((list) => list.length <= typesMax && list.every((type) => /^[a-z][a-z0-9_]*\.[a-z0-9_.]+$/.test(type)), {
    error: `must be at most ${typesMax} types with commas between them, such as customer.updated,session.created`,
  })
  .openapi({ type: 'string', example: 'customer.created,customer.updated' });

const signalsWaitingMax = 100;
const waitWords = `must be a whole number of seconds up to ${waitMaxSeconds}`;

const stream = createStaffRoute({
  method: 'get',
  path: '/api/events',
  right: 'events.read',
  summary: 'Events: as they happen (server-sent events), or page by page with `after`',
  description:
    'Without `after` a stream: each message has the event as JSON, its type as `event`, and an `id` to go on from (`Last-Event-ID`). Every few seconds an `id` alone says that the line is open and moves the place on, also past events that you did not ask for. `reset` says that the place is no longer in the log: load again what you show. `signal`, without an id, says what is passing, such as who is typing.\n\nWith `after` a page of JSON, for readers that ask: begin with `now`, 0, or the `position` of a snapshot, and go on after the `next` of each page. With `wait` the answer at the end of the log comes with the next event, or when the seconds are over. 410 says that the log no longer has every event after that position: start from a snapshot. A machine that belongs to an app gets what the app’s own login sees.',
  request: {
    query: object({
      types: types.optional(),
      after: z
        .string()
        .max(64)
        .optional()
        .openapi({ description: 'The `next` of the page before, the position of a snapshot, 0, or `now`.' }),
      limit: pageSize({ max: pageMax, default: 100 }).openapi({
        description: 'At most so many events in a page; one also ends when its data fills 4 MB.',
      }),
      wait: z
        .string()
        .regex(/^\d{1,2}$/, { error: waitWords, abort: true })
        .transform(Number)
        .refine((seconds) => seconds <= waitMaxSeconds, { error: waitWords })
        .default(0)
        .openapi({
          type: 'integer',
          minimum: 0,
          maximum: waitMaxSeconds,
          default: 0,
          description: 'How many seconds the answer may be held back while there is no event.',
        }),
    }),
    headers: z.object({
      'last-event-id': z.string().max(64).optional().openapi({ description: 'The `id` of the last message one has.' }),
    }),
  },
  responses: {
    200: {
      description: 'A stream without end, or a page.',
      content: {
        'text/event-stream': { schema: KnownEventSchema },
        'application/json': { schema: EventPageSchema },
      },
    },
    ...problems(410, 422),
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
  const access = openEventAccess(db, ofEvents, hearing);
  /** @returns frees the place. @throws Problem 429, 503 */
  const takePlace = (caller: Caller): (() => void) => {
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
    return leave;
  };
  app.openapi(stream, async (c) => {
    const { types: asked, after, limit, wait } = c.req.valid('query');
    const wanted = asked as EventType[] | undefined;
    const caller = c.get('caller') as Caller;
    await access.requireTypes(caller, wanted ?? []);
    const heard = access.open(caller);
    if (after !== undefined) {
      const begins = await readAfter(db, after);
      const free = wait > 0 ? takePlace(caller) : undefined;
      const gone = new AbortController();
      const leave = () => gone.abort();
      if ('once' in c.env.outgoing) c.env.outgoing.once('close', leave);
      try {
        const page = await readEventPage(db, {
          after: begins,
          types: wanted,
          limit,
          waitMs: wait * 1_000,
          over: AbortSignal.any([closing, gone.signal]),
          hears: heard.hears,
        });
        if (wait > 0 && !(await caller.isStillWelcome())) throw refuseStranger();
        c.header('Cache-Control', 'no-store');
        return c.json({ events: page.events.map(toWords), next: page.next, is_last: page.isLast }, 200);
      } finally {
        free?.();
        if ('off' in c.env.outgoing) c.env.outgoing.off('close', leave);
      }
    }
    const place = readLastId(c.req.valid('header')['last-event-id']);
    const leave = takePlace(caller); // at once with the check; otherwise a hundred requests could pass it
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
        const isHeard = await heard.hearsSignal(signal).catch(() => false);
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
          const [isHeard] = await heard.hears([event]);
          undecided = undefined;
          if (!isHeard) continue;
          await answer.writeEvent({ id: formatPlace(event), event: event.type, data: describeEvent(event) });
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

/** @throws Problem 422 */
function readLastId(text: string | undefined): Place | undefined {
  if (!text) return undefined;
  const place = parsePlace(text);
  if (place) return place;
  throw refuseFields([{ field: 'Last-Event-ID', in: 'header', message: 'must be the id of a message of this stream' }]);
}
