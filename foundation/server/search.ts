import { type App, createStaffRoute, line, object, problems, z } from '@aether/http';
import type { PlatformDb } from '@aether/platform';
import { listCompanies } from './companies/companies.ts';
import { readSearch } from './customers/customermatch.ts';
import { listCustomers } from './customers/customers.ts';
import { listDeals } from './deals/deals.ts';

const shownMax = 5;
const text = z.string();

const search = createStaffRoute({
  method: 'get',
  path: '/api/search',
  right: 'person',
  summary: 'A few customers, companies and deals for a text that is being typed',
  request: { query: object({ q: line({ charactersMax: 200 }) }) },
  responses: {
    200: {
      description: `At most ${shownMax} of each, the newest first.`,
      content: {
        'application/json': {
          schema: z.object({
            customers: z.array(z.object({ id: text, name: text, email: text })),
            companies: z.array(z.object({ id: text, name: text, domain: text.nullable() })),
            deals: z.array(z.object({ id: z.int(), name: text, customer: z.object({ id: text, name: text }) })),
          }),
        },
      },
    },
    ...problems(422),
  },
});

export function addSearchRoutes(app: App, db: PlatformDb) {
  return app.openapi(search, async (c) => {
    const { q } = c.req.valid('query');
    const [{ customers }, companies, deals] = await Promise.all([
      listCustomers(db.reads, {
        filters: readSearch(db, { search: q }),
        sort: 'created',
        direction: 'desc',
        limit: shownMax,
      }),
      listCompanies(db.reads, { filters: { search: q }, sort: 'created', direction: 'desc', limit: shownMax }),
      listDeals(db.reads, { filters: { search: q }, sort: 'created', direction: 'desc', limit: shownMax }),
    ]);
    return c.json(
      {
        customers: customers.map(({ id, name, email }) => ({ id, name, email })),
        companies: companies.map(({ id, name, domain }) => ({ id, name, domain })),
        deals: deals.map(({ id, name, customer }) => ({ id, name, customer })),
      },
      200,
    );
  });
}
