import { once } from 'node:events';
import net from 'node:net';
import pg from 'pg';

export type TestPooler = { url: string; servers: number; close(): Promise<void> };

type Server = { stream: net.Socket; busyWith: Client | undefined };
type Client = { socket: net.Socket; server: Server | undefined; waiting: Buffer[] };

/**
 * A transaction pooler like PgBouncer in transaction mode: a client gets a server connection for one transaction,
 * and the next transaction runs on another. It is harsher: it always moves on to the next server, so that anything a
 * client leaves on a connection (a prepared statement, a setting) is missed at once.
 *
 * @param url the login that every pooled connection has.
 * @param lentFor a client keeps its server connection for one transaction or for its whole session.
 */
export async function startTestPooler(
  url: string,
  serversMax = 3,
  lentFor: 'transaction' | 'session' = 'transaction',
): Promise<TestPooler> {
  const logins = await Promise.all(Array.from({ length: serversMax }, () => connected(url)));
  const servers: Server[] = logins.map((login) => {
    // The driver has done the handshake; from here on this code handles the bytes.
    const { stream } = (login as unknown as { connection: { stream: net.Socket } }).connection;
    stream.removeAllListeners('data');
    stream.setNoDelay(true);
    return { stream, busyWith: undefined };
  });
  const queue: Client[] = [];
  let next = 0;

  const assign = () => {
    for (let tried = 0; tried < servers.length && queue.length > 0; tried++) {
      const server = servers[next++ % servers.length] as Server;
      if (server.busyWith) continue;
      const client = queue.shift() as Client;
      server.busyWith = client;
      client.server = server;
      for (const bytes of client.waiting.splice(0)) server.stream.write(bytes);
    }
  };
  const free = (server: Server) => {
    if (server.busyWith) server.busyWith.server = undefined;
    server.busyWith = undefined;
    assign();
  };
  for (const server of servers) {
    const frames = frameReader((type, frame) => {
      server.busyWith?.socket.write(frame);
      const idle = type === 'Z' && frame[5] === 'I'.charCodeAt(0);
      if (idle && lentFor === 'transaction') free(server);
    });
    server.stream.on('data', frames);
  }

  const sockets = new Set<net.Socket>();
  const listener = net.createServer((socket) => {
    sockets.add(socket);
    socket.setNoDelay(true);
    socket.on('error', () => {});
    const client: Client = { socket, server: undefined, waiting: [] };
    socket.on('close', () => {
      if (queue.includes(client)) queue.splice(queue.indexOf(client), 1);
      if (client.server && lentFor === 'session') free(client.server);
    });
    socket.once('data', () => {
      socket.write(welcome);
      socket.on(
        'data',
        frameReader((type, frame) => {
          if (type === 'X') return void socket.end();
          if (client.server) return void client.server.stream.write(frame);
          client.waiting.push(frame);
          if (!queue.includes(client)) queue.push(client);
          assign();
        }),
      );
    });
  });
  listener.listen(0, '127.0.0.1');
  await once(listener, 'listening');
  const pooled = new URL(url);
  pooled.host = `127.0.0.1:${(listener.address() as net.AddressInfo).port}`;
  return {
    url: pooled.href,
    servers: serversMax,
    async close() {
      queue.splice(0);
      for (const socket of sockets) socket.destroy();
      listener.close();
      for (const { stream } of servers) stream.end(Buffer.from([0x58, 0, 0, 0, 4]));
      await Promise.all(servers.map(({ stream }) => once(stream, 'close')));
    },
  };
}

async function connected(url: string): Promise<pg.Client> {
  const client = new pg.Client({ connectionString: url });
  client.on('error', () => {});
  await client.connect();
  return client;
}

/** AuthenticationOk, ReadyForQuery (idle): this pooler lets everybody log in. */
const welcome = Buffer.from([0x52, 0, 0, 0, 8, 0, 0, 0, 0, 0x5a, 0, 0, 0, 5, 0x49]);

/** Cuts a byte stream into the protocol's messages: a type, a length that counts itself, a body. */
function frameReader(onFrame: (type: string, frame: Buffer) => void): (bytes: Buffer) => void {
  let rest: Buffer = Buffer.alloc(0);
  return (bytes) => {
    rest = Buffer.concat([rest, bytes]);
    while (rest.length >= 5) {
      const length = rest.readUInt32BE(1) + 1;
      if (rest.length < length) return;
      const frame = rest.subarray(0, length);
      rest = rest.subarray(length);
      onFrame(String.fromCharCode(frame[0] as number), frame);
    }
  };
}
