import { type App, createStaffRoute, TierSchema, z } from '@aether/http';
import type { PlatformDb } from '@aether/platform';

const list = createStaffRoute({
  method: 'get',
  path: '/api/tiers',
  right: 'context.read',
  summary: 'The tiers that a customer may have, with the names and colours that Foundation’s administrators chose',
  responses: {
    200: {
      description: 'In order, including retired tiers: customers may still have one.',
      content: { 'application/json': { schema: z.object({ tiers: z.array(TierSchema) }) } },
    },
  },
});

export function addTierRoutes(app: App, db: PlatformDb) {
  return app.openapi(list, async (c) => c.json({ tiers: await db.listTiers() }, 200));
}
