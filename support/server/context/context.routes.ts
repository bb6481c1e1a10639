import {
  type App,
  CompanySchema,
  CrmContextSchema,
  CustomerSchema,
  createStaffRoute,
  line,
  object,
  problems,
  z,
} from '@aether/http';
import { NotFound } from '@aether/platform';
import type { ContextReader } from './context.ts';

const get = createStaffRoute({
  method: 'get',
  path: '/api/customers/context',
  operationId: 'findCustomerContext',
  right: 'context.read',
  summary: 'The customer of an address, the company, and the CRM’s data',
  request: { query: object({ email: line({ charactersMax: 1_000 }) }) },
  responses: {
    200: {
      description: 'The context. `partial` means that Foundation did not answer, and `reason` says why.',
      content: {
        'application/json': {
          schema: z
            .object({
              customer: CustomerSchema,
              company: CompanySchema.nullable(),
              crm: CrmContextSchema.nullable(),
              partial: z.boolean(),
              missing: z.array(z.enum(['crm'])),
              reason: z.string().nullable(),
            })
            .openapi('CustomerContext'),
        },
      },
    },
    ...problems(404, 422),
  },
});

export function addContextRoutes(app: App, readContext: ContextReader): void {
  app.openapi(get, async (c) => {
    const context = await readContext.byEmail(c.req.valid('query').email);
    if (!context) throw new NotFound('customer');
    return c.json(context, 200);
  });
}
