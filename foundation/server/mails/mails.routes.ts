import {
  type App,
  bigintId,
  clientId,
  createStaffRoute,
  jsonBody,
  line,
  object,
  problems,
  text,
  uuid,
  z,
} from '@aether/http';
import { addMailRoutes, FailingSchema, type MailRoom } from '@aether/mail';
import { CustomerErased, NotFound, type PlatformDb, readAttempt } from '@aether/platform';
import { AddedActivitySchema, toEntry } from '../activities/activities.routes.ts';
import { customerKey } from '../customers/customers.routes.ts';
import { requireCustomer } from '../customers/customers.ts';
import { readAddresses, takeBackSeconds, writeMail } from './mails.ts';

const addresses = createStaffRoute({
  method: 'get',
  path: '/api/customers/{id}/mail-addresses',
  operationId: 'listMailAddresses',
  right: 'activities.write',
  summary: 'Where a customer can be written to by e-mail',
  request: { params: customerKey },
  responses: {
    200: {
      description: 'The addresses, the primary one first.',
      content: {
        'application/json': {
          schema: z.object({
            is_on: z.boolean().openapi({ description: 'This installation sends e-mail.' }),
            addresses: z.array(
              z.object({
                email: z.string(),
                is_primary: z.boolean(),
                failing: FailingSchema.nullable().openapi({
                  description: 'Mail did not arrive there: nothing is sent.',
                }),
              }),
            ),
          }),
        },
      },
    },
    ...problems(404, 422),
  },
});

const write = createStaffRoute({
  method: 'post',
  path: '/api/customers/{id}/mails',
  operationId: 'writeMail',
  right: 'person', // a token that adds activities speaks to nobody outside
  summary: 'Write an e-mail to a customer',
  description: `An entry of the timeline (\`email_sent\`) at once; the mail goes ${takeBackSeconds} seconds later, and can be taken back until then. What the customer answers is an entry \`email_received\`.`,
  request: {
    params: customerKey,
    body: jsonBody(
      object({
        client_id: clientId().openapi({ description: 'A retry with the same one sends nothing again.' }),
        to: text({ charactersMax: 254 }).openapi({ description: 'An address of this customer.' }),
        subject: line({ charactersMax: 200 }),
        body: text({ charactersMax: 4_000 }),
        deal_id: bigintId().optional(),
        answers: uuid()
          .optional()
          .openapi({ description: 'Id of a mail that came from the customer: both stand together there.' }),
      }).openapi('NewMail'),
    ),
  },
  responses: {
    201: {
      description: 'Written, now or by an earlier attempt.',
      content: { 'application/json': { schema: AddedActivitySchema } },
    },
    ...problems(400, 404, 409, 410, 422),
  },
});

export function addCustomerMailRoutes(app: App, db: PlatformDb, mail: MailRoom) {
  addMailRoutes(app, db, mail, {
    rights: { read: 'activities.read', write: 'person' },
    requireReader: async (_, recordId) => {
      if ((await db.query('select from crm.activities where id = $1', [recordId])).length === 0)
        throw new NotFound('mail');
    },
  });
  return app
    .openapi(addresses, async (c) => {
      const customer = await requireCustomer(db, c.req.valid('param').id);
      return c.json(await readAddresses(db, customer.id, db.app), 200);
    })
    .openapi(write, async (c) => {
      const actor = c.get('actor');
      const { client_id, ...given } = c.req.valid('json');
      const customer = await requireCustomer(db, c.req.valid('param').id);
      if (customer.erased_at) throw new CustomerErased();
      const attempt = readAttempt(client_id, { ...given, mail_to: c.req.valid('param').id });
      const added = await db.transaction({ actor: actor?.id }, (tx) => writeMail(tx, customer.id, given, attempt));
      return c.json(toEntry({ ...added, customer_id: customer.id }), 201);
    });
}
