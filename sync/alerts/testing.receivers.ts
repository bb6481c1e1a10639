import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text as readText } from 'node:stream/consumers';
import { atEnd } from '@aether/database/testing';
import { SMTPServer } from 'smtp-server';

export type Received = { headers: Record<string, string>; body: string };

/** A receiver of webhooks. `status` is what it answers; undefined: nothing. */
export async function startWebhookReceiver() {
  const received: Received[] = [];
  const state: { status: number | undefined; location?: string } = { status: 204 };
  const server = createServer(async (request, response) => {
    received.push({ headers: request.headers as Record<string, string>, body: await readText(request) });
    if (state.status === undefined) return;
    response.writeHead(state.status, state.location ? { Location: state.location } : {}).end();
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  atEnd(async () => {
    server.closeAllConnections();
    server.close();
  });
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/alerts`;
  return Object.assign(state, { url, received });
}

/** A mail server that takes every mail from whoever signs in as `aether`. `refuses`: it refuses every recipient. */
export async function startMailServer() {
  const mails: { to: string[]; source: string }[] = [];
  const state = { refuses: false };
  const server = new SMTPServer({
    disabledCommands: ['STARTTLS'],
    allowInsecureAuth: true,
    closeTimeout: 500,
    onAuth: ({ username, password }, _session, done) =>
      username === 'aether' && password === 'p%ss' ? done(null, { user: username }) : done(new Error('refused')),
    onRcptTo: (_address, _session, done) =>
      state.refuses ? done(Object.assign(new Error('mailbox full'), { responseCode: 452 })) : done(),
    async onData(stream, session, done) {
      const source = await readText(stream);
      mails.push({ to: session.envelope.rcptTo.map(({ address }) => address), source });
      done();
    },
  });
  server.on('error', () => {});
  server.listen(0, '127.0.0.1');
  await once(server.server, 'listening');
  atEnd(() => new Promise<void>((resolve) => server.close(() => resolve())));
  const { port } = server.server.address() as AddressInfo;
  return Object.assign(state, { url: `smtp://aether:p%25ss@127.0.0.1:${port}`, mails });
}
