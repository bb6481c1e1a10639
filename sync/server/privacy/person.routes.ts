import { Readable } from 'node:stream';
import type { Blobs } from '@aether/files/blobs';
import { type App, createStaffRoute, jsonBody, line, object, problems, z } from '@aether/http';
import { exportPerson, type PersonExport } from '../../privacy/archive.ts';
import { categories } from '../../privacy/categories.ts';
import type { Privacy } from '../../privacy/connection.ts';
import { findPerson, requirePerson } from '../../privacy/person.ts';
import { readWho } from '../../privacy/who.ts';
import { json, moment, reason } from '../acting.ts';
import { actorOf, orPrivacyProblem, requirePrivacy } from './problems.ts';

const who = () =>
  line({ charactersMax: 300 }).openapi({
    description: 'An address, a telephone number, or an id or number of a customer or a conversation.',
    example: 'ada@example.com',
  });

const FoundPersonSchema = z
  .object({
    customers: z
      .array(z.object({ id: z.string(), name: z.string(), email: z.string(), erased_at: moment().nullable() }))
      .openapi({ description: 'Several: ask again with the id of one. None: the person is no customer.' }),
    person: z
      .object({
        customers: z.array(z.string()).openapi({ description: 'With those that were merged into it.' }),
        emails: z.array(z.string()),
        phones: z.array(z.string()),
        conversations: z.int(),
      })
      .nullable()
      .openapi({ description: 'Null: several customers are meant.' }),
    held: z.array(
      z.object({
        table: z.string(),
        chapter: z.string().openapi({ description: 'The chapter of the export.' }),
        title: z.string(),
        why: z.string(),
        rows: z.int(),
      }),
    ),
  })
  .openapi('FoundPerson');

const find = createStaffRoute({
  method: 'post',
  path: '/api/privacy/find',
  right: 'privacy.read',
  people: 'steward',
  summary: 'Everything that is held about a person: where, how much and why',
  description: 'A question in a body, so that no address is in the address of a page or in a log. Nothing is changed.',
  request: { body: jsonBody(object({ who: who() }).openapi('PersonQuestion')) },
  responses: { 200: json('What is held.', FoundPersonSchema), ...problems(422, 503) },
});

const give = createStaffRoute({
  method: 'post',
  path: '/api/privacy/export',
  right: 'privacy.read',
  people: 'steward',
  summary: 'Everything that is held about a person, as one zip for them',
  description:
    'The zip is written as it is read, and stored nowhere. It is recorded before the first byte: an operation and an event, with ids. A fault in the middle cuts the answer off.',
  request: {
    body: jsonBody(
      object({ who: who(), reason: reason().optional() }).openapi('PersonExportWish', {
        description: 'The reason is kept with the record: the number of a request, and no name.',
      }),
    ),
  },
  responses: {
    200: {
      description: 'A zip. docs/privacy.md lists its files.',
      content: { 'application/zip': { schema: z.string().openapi({ format: 'binary' }) } },
    },
    ...problems(409, 422, 503),
  },
});

/** Finding a person and giving them what is held. @param privacy undefined: this console has no login for it */
export function addPersonRoutes(
  app: App,
  privacy: Privacy | undefined,
  { phoneCountry, openBlobs }: { phoneCountry: string | undefined; openBlobs: () => Promise<Blobs | undefined> },
): void {
  app.openapi(find, async (c) => {
    const { who: text } = c.req.valid('json');
    const { customers, person, held } = await orPrivacyProblem(() =>
      requirePrivacy(privacy).with(actorOf(c), (client) => findPerson(client, readWho(text, phoneCountry))),
    );
    c.header('Cache-Control', 'no-store');
    return c.json(
      {
        customers: customers.map(({ erasedAt, ...customer }) => ({
          ...customer,
          erased_at: erasedAt?.toISOString() ?? null,
        })),
        person: person
          ? {
              customers: person.customers,
              emails: person.emails,
              phones: person.phones,
              conversations: person.sessions.length,
            }
          : null,
        held: held.map(({ category, ...source }) => ({ ...source, chapter: category, title: titleOf(category) })),
      },
      200,
    );
  });

  app.openapi(give, async (c) => {
    const { who: text, reason: because = null } = c.req.valid('json');
    const { zip, record } = await orPrivacyProblem(() =>
      beginExport(requirePrivacy(privacy), { actor: actorOf(c), text, phoneCountry, because, openBlobs }),
    );
    return c.body(Readable.toWeb(zip) as ReadableStream, 200, {
      'Content-Type': 'application/zip',
      'Content-Disposition': `attachment; filename="person-${record}.zip"`,
      'Cache-Control': 'no-store',
    }) as never;
  });
}

type Wish = {
  actor: string;
  text: string;
  phoneCountry: string | undefined;
  because: string | null;
  openBlobs: () => Promise<Blobs | undefined>;
};

/** Begins an export that keeps its connection until the zip is read or given up. */
function beginExport(privacy: Privacy, { actor, text, phoneCountry, because, openBlobs }: Wish): Promise<PersonExport> {
  return new Promise((resolve, reject) => {
    privacy
      .with(actor, async (client) => {
        const person = await requirePerson(client, readWho(text, phoneCountry));
        const begun = await exportPerson(client, person, { reason: because, blobs: await openBlobs() });
        resolve(begun);
        await begun.over;
      })
      .catch(reject);
  });
}

const titleOf = (category: string) => categories.find(({ name }) => name === category)?.title ?? category;
