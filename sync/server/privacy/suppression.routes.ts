import { type App, createStaffRoute, jsonBody, line, object, problems, z } from '@aether/http';
import type { Privacy } from '../../privacy/connection.ts';
import { isKeptAway, requireReachable } from '../../privacy/keptaway.ts';
import { liftSuppression } from '../../privacy/suppression.ts';
import { json, reason } from '../acting.ts';
import { actorOf, orPrivacyProblem, requirePrivacy } from './problems.ts';

const who = () =>
  line({ charactersMax: 300 }).openapi({
    description: 'An address or a telephone number.',
    example: 'ada@example.com',
  });

const find = createStaffRoute({
  method: 'post',
  path: '/api/privacy/suppressions/find',
  right: 'steward',
  summary: 'Whether an address or a number is kept away, because a person who had it was erased',
  description: 'The list holds keyed hashes alone, so that it can be asked about one address and never read.',
  request: { body: jsonBody(object({ who: who() }).openapi('SuppressionQuestion')) },
  responses: { 200: json('The answer.', z.object({ suppressed: z.boolean() })), ...problems(422, 503) },
});
const lift = createStaffRoute({
  method: 'post',
  path: '/api/privacy/suppressions/lift',
  right: 'administrator',
  summary: 'Let an address or a number come back',
  request: { body: jsonBody(object({ who: who(), reason: reason() }).openapi('SuppressionLift')) },
  responses: {
    200: json('Whether it was kept away.', z.object({ lifted: z.boolean() })),
    ...problems(422, 503),
  },
});

/** The list that keeps erased persons away. */
export function addSuppressionRoutes(app: App, privacy: Privacy | undefined, phoneCountry: string | undefined): void {
  app.openapi(find, async (c) => {
    const suppressed = await orPrivacyProblem(() =>
      requirePrivacy(privacy).with(actorOf(c), (client) => isKeptAway(client, c.req.valid('json').who, phoneCountry)),
    );
    c.header('Cache-Control', 'no-store');
    return c.json({ suppressed }, 200);
  });
  app.openapi(lift, async (c) => {
    const { who: text, reason: because } = c.req.valid('json');
    const lifted = await orPrivacyProblem(() =>
      requirePrivacy(privacy).with(actorOf(c), async (client) => {
        requireReachable(text, phoneCountry);
        return liftSuppression(client, text, { reason: because, ...(phoneCountry && { country: phoneCountry }) });
      }),
    );
    return c.json({ lifted }, 200);
  });
}
