import { SMTPServer } from 'smtp-server';
import { expect, test } from 'vitest';
import { openPost } from './smtp.ts';

const letter = {
  messageId: '<a@shop.example>',
  from: { name: 'Shop', address: 'help@shop.example' },
  to: 'ann@x.example',
  replyTo: 'help@shop.example',
  subject: 'x',
  text: 'x',
  references: [],
  attachments: [],
};
const line = { host: '127.0.0.1', isTls: false, requiresTls: false, user: undefined, password: undefined };

test('a mail server of this machine may have a certificate that nobody signed; elsewhere nothing is handed to it', async () => {
  const server = new SMTPServer({
    authOptional: true,
    onData(stream, _, done) {
      stream.on('end', () => done()).resume();
    },
  });
  server.on('error', () => {}); // a client that went away
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', () => resolve()));
  const { port } = server.server.address() as { port: number };
  const send = async (requiresTls: boolean) => {
    const post = openPost({ ...line, port, requiresTls });
    const handed = await post.send(letter);
    post.close();
    return handed;
  };
  expect(await send(false)).toEqual({ kind: 'taken' });
  expect(await send(true)).toMatchObject({ kind: 'later' });
  await new Promise<void>((resolve) => server.close(() => resolve()));
  expect(await send(false)).toMatchObject({ kind: 'later' });
});
