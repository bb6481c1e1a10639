import type { AppEvent, EventType, Following, Place, PlatformDb, Signal } from '@aether/platform';
import { FellBehind } from '@aether/platform';
import { z } from '@hono/zod-openapi';
import type { Caller } from '../caller.ts';
import { object } from '../input/fields.ts';
import { Problem, refuseFields } from '../problem.ts';
import { allows, refuseScope } from '../rights.ts';
import { scopeOfEvent } from '../scopes.ts';
import { createStaffRoute } from '../staff.ts';
import type { App } from './app.ts';
import { answerEvents } from './longanswer.ts';

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
  /** Ends every stream, so that the server can close. */
  closing: AbortSignal;
  heartbeatMs?: number;
  /** How often the stream asks whether the caller may still listen: a sign-in that has ended goes on for so long. */
  welcomeMs?: number;
  streamsMax?: number;
  /** What is passed on beside the events, as `signal`. @returns ends it. */
  signals?: (listener: (signal: Signal) => void) => () => void;
  /** What a caller hears of what its scopes allow; without it, all of that. Called once a stream. */
  hearing?: (caller: Caller) => Hearing;
};

/** Decides for one stream, event by event and as things are at that moment. */
export type Hearing = {
  hears(event: AppEvent): Promise<boolean>;
  hearsSignal(signal: Signal): Promise<boolean>;
};

/** Adds `GET /api/events`. A client sees what the database login of the app sees, as far as its scopes and `hearing` allow. */
export function addEventStream(
  app: App,
  db: PlatformDb,
  { closing, heartbeatMs, welcomeMs = 3_000, streamsMax = 500, signals, hearing }: StreamOptions,
): void {
  let open = 0;
  app.openapi(stream, async (c) => {
    const place = parsePlace(c.req.valid('header')['last-event-id']);
    const wanted = c.req.valid('query').types as EventType[] | undefined;
    const caller = c.get('caller') as Caller;
    const hidden = wanted?.find((type) => !allowsEvent(caller, type));
    if (hidden !== undefined) throw refuseScope(scopeOfEvent(hidden) ?? 'events.read');
    const heard = hearing?.(caller);
    if (open >= streamsMax)
      throw new Problem({
        status: 503,
        code: 'too-many-streams',
        detail: `There are ${streamsMax} open streams already. Close one, or try again later.`,
        headers: { 'Retry-After': '10' },
      });
    open += 1; // before the first wait, or a hundred could come in at once
    let isKnown: boolean;
    let begin: Place;
    try {
      isKnown = !place || (await db.events.has(place));
      // Known before the line is said to be open: nothing that happens from then on is missed.
      begin = place && isKnown ? place : await db.events.place();
    } catch (error) {
      open -= 1;
      throw error;
    }
    const onEnd = () => {
      open -= 1;
    };
    let following: Following<EventType> | undefined;
    // While it is being decided whether the caller hears of an event, the place before that event: it has not been sent.
    let undecided: Place | undefined;
    // A stream with a rare filter comes back to here, not to its last event, from which it would have to read on for long.
    const heartbeat = () => `: open\nid: ${formatPlace(undecided ?? following?.place() ?? begin)}\n\n`;
    return answerEvents(c, { closing, heartbeatMs, heartbeat, onEnd }, async (sse, over, leave) => {
      let signalsWaiting = 0;
      const deafen = signals?.(async (signal) => {
        if (signalsWaiting >= signalsWaitingMax) return; // a reader who is slow misses some: they are worth nothing later
        signalsWaiting += 1;
        const isHeard = !heard || (await heard.hearsSignal(signal).catch(() => false));
        if (isHeard) await sse.writeSSE({ event: 'signal', data: JSON.stringify(signal) });
        signalsWaiting -= 1;
      });
      const welcome = setInterval(async () => {
        if (!(await caller.isStillWelcome().catch(() => true))) leave();
      }, welcomeMs);
      try {
        // With an id, so that a reader who is cut before the first event comes back to this place.
        await sse.write(heartbeat());
        if (!isKnown) await sse.writeSSE({ event: 'reset', data: '{}' });
        following = db.events.follow({ types: wanted, after: begin, signal: over });
        let before = begin;
        for await (const event of following) {
          undecided = before;
          before = event;
          const isHeard = allowsEvent(caller, event.type) && (!heard || (await heard.hears(event)));
          undecided = undefined;
          if (!isHeard) continue;
          await sse.writeSSE({ id: formatPlace(event), event: event.type, data: describe(event) });
          if (over.aborted) break;
        }
      } catch (error) {
        // A reader that is too slow is let go, and comes back to the last place that it got.
        if (!(error instanceof FellBehind)) throw error;
      } finally {
        clearInterval(welcome);
        deafen?.();
      }
    }) as never;
  });
}

const formatPlace = ({ position, id }: Place) => `${position}.${id}`;

/** A token for some scopes only hears of what one of them reads. */
function allowsEvent(caller: Caller, type: string): boolean {
  const scope = scopeOfEvent(type);
  return caller.scopes === undefined || (scope !== undefined && allows(caller, scope));
}

/** `position.id`: the position alone would not do, because a database that crashed may give one to another event. */
function parsePlace(text: string | undefined): Place | undefined {
  if (!text) return undefined;
  const [, position, id] = /^(\d{1,15})\.(\d{1,15})$/.exec(text) ?? [];
  if (position === undefined || id === undefined)
    throw refuseFields([
      { field: 'Last-Event-ID', in: 'header', message: 'must be the id of a message of this stream' },
    ]);
  return { position: Number(position), id: Number(id) };
}

function describe({
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
