import { answerFile, type Files } from '@aether/files';
import { type App, createRoute, object, problems, uuid, z } from '@aether/http';
import { NotFound, type PlatformDb } from '@aether/platform';

/** A link in a mail works for so long. */
const linkDays = 90;

const get = createRoute({
  method: 'get',
  path: '/api/mail-files/{token}/{file}',
  operationId: 'getMailFile',
  security: [],
  summary: 'A file that was too large to go with a mail: the link in it',
  description: `Whoever has the mail may read it, for ${linkDays} days, as long as the conversation has the address to which the mail went.`,
  request: { params: object({ token: z.string().regex(/^[0-9a-f]{32}$/), file: uuid() }) },
  responses: {
    200: {
      description: 'The bytes. Images may be shown; everything else is a download.',
      content: { 'application/octet-stream': { schema: { type: 'string', format: 'binary' } } },
    },
    304: { description: 'The bytes are those whose ETag was sent.' },
    ...problems(404, 422),
  },
});

/** The token of the mail is its proof, as it is for an answer: only who got the mail has it. It opens what that mail names, and nothing else. */
export function addMailFileRoutes(app: App, db: PlatformDb, files: Files): void {
  app.openapi(
    get as never,
    (async (c: Parameters<typeof answerFile>[0]) => {
      const { token, file: id } = c.req.valid('param' as never) as { token: string; file: string };
      const [named] = await db.query<{ message_id: string }>(
        `select g.id as message_id
       from platform.mails m join support.sessions s on s.id = m.record_id
         join support.messages g on g.session_id = s.id and g.number between m.first_number and m.last_number
       where m.app = $1 and m.token = $2 and m.state in ('sending', 'sent', 'bounced', 'doubtful')
         and lower(s.visitor_email) = lower(m.to_address) and m.created_at > now() - make_interval(days => $4)
         and g.author = 'agent' and g.files @> jsonb_build_array(jsonb_build_object('id', $3::text))`,
        [db.app, token, id, linkDays],
      );
      if (!named) throw new NotFound('file');
      const file = await files.find(id);
      if (file.record_id !== named.message_id) throw new NotFound('file');
      return answerFile(c, files, file, 'whole');
    }) as never,
  );
}
