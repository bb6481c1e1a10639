import { type App, createStaffRoute, cursor, cursorsOf, object, pageSize, problems, time, uuid, z } from '@aether/http';
import type { PlatformDb } from '@aether/platform';
import { TaskSchema } from './tasks.schema.ts';
import { listTasks, readWaiting } from './tasks.ts';

const yes = z
  .enum(['true', 'false'])
  .transform((value) => value === 'true')
  .openapi({ type: 'boolean' });

const list = createStaffRoute({
  method: 'get',
  path: '/api/activities',
  right: 'activities.read',
  summary: 'Tasks: by due date; the done ones alone the last done first',
  request: {
    query: object({
      mine: yes.optional().openapi({ type: 'boolean', description: 'Those that the caller is to do.' }),
      person: z.string().min(1).max(255).optional().openapi({ description: 'Id of the user who is to do them.' }),
      open_tasks: yes.optional(),
      state: z.enum(['open', 'done']).optional(),
      customer_id: uuid().optional(),
      due_before: time().optional(),
      due_from: time().optional(),
      cursor: cursor().optional(),
      limit: pageSize({ max: 200, default: 50 }),
    }),
  },
  responses: {
    200: {
      description: 'One page.',
      content: {
        'application/json': {
          schema: z.object({ activities: z.array(TaskSchema), next_cursor: z.string().nullable() }),
        },
      },
    },
    ...problems(422),
  },
});

const waiting = createStaffRoute({
  method: 'get',
  path: '/api/tasks/waiting',
  operationId: 'listWaitingTasks',
  right: 'activities.read',
  summary: 'What waits for the caller: how many tasks are due, and the reminders whose time has come',
  request: {
    query: object({ due_before: time().openapi({ description: 'The end of the caller’s day.' }) }),
  },
  responses: {
    200: {
      description: 'Up to 100 are counted, and up to 20 reminders are listed.',
      content: {
        'application/json': {
          schema: z.object({
            due: z.int(),
            reminders: z.array(TaskSchema),
            next_reminder_at: z.string().nullable().openapi({ format: 'date-time' }),
          }),
        },
      },
    },
    ...problems(422),
  },
});

export function addTaskRoutes(app: App, db: PlatformDb) {
  const cursors = cursorsOf(db);
  return app
    .openapi(list, async (c) => {
      const { mine, person, open_tasks, state, customer_id, due_before, due_from, cursor, limit } =
        c.req.valid('query');
      const shown = state ?? (open_tasks ? 'open' : undefined);
      // A place in one order says nothing in the other.
      const name = shown === 'done' ? 'done tasks' : 'tasks';
      const { page: activities, next_cursor } = await cursors.page(name, { cursor, limit }, (paging) =>
        listTasks(db.reads, {
          person: mine ? (c.get('actor')?.id ?? '') : person,
          state: shown,
          customerId: customer_id,
          dueBefore: due_before,
          dueFrom: due_from,
          ...paging,
        }),
      );
      return c.json({ activities, next_cursor }, 200);
    })
    .openapi(waiting, async (c) => {
      const person = c.get('actor')?.id;
      if (!person) return c.json({ due: 0, reminders: [], next_reminder_at: null }, 200);
      return c.json(await readWaiting(db, person, c.req.valid('query').due_before), 200);
    });
}
