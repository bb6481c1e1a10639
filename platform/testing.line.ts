import { once } from 'node:events';
import net from 'node:net';

export type TestLine = {
  url: string;
  /** Makes the line silent: nothing arrives in either direction and neither end notices, as when a firewall forgets its connections. */
  silence(): void;
  /** New connections work again; silent connections stay silent. */
  restore(): void;
  /** How often something was sent over the silent line, by either end, and how many connections were begun over it. */
  taken(): { sent: number; begun: number };
  close(): Promise<void>;
};

/** A line to the database that can go silent. */
export async function startTestLine(url: string): Promise<TestLine> {
  const target = new URL(url);
  const sockets = new Set<net.Socket>();
  const silent = new WeakSet<net.Socket>();
  let isSilent = false;
  const taken = { sent: 0, begun: 0 };

  const hold = (socket: net.Socket) => {
    sockets.add(socket);
    if (isSilent) silent.add(socket);
    socket.setNoDelay(true);
    socket.on('error', () => {});
    socket.on('close', () => sockets.delete(socket));
  };
  const carry = (from: net.Socket, to: net.Socket) => {
    from.on('data', (bytes) => {
      if (silent.has(from)) taken.sent += 1;
      else to.write(bytes);
    });
    from.on('close', () => {
      if (!silent.has(from)) to.destroy();
    });
  };
  const listener = net.createServer((client) => {
    hold(client);
    // It would wait at the server for its password, for up to a minute, and meanwhile that server neither makes nor drops a database.
    if (isSilent) {
      taken.begun += 1;
      return;
    }
    const server = net.connect(Number(target.port), target.hostname);
    hold(server);
    carry(client, server);
    carry(server, client);
  });
  listener.listen(0, '127.0.0.1');
  await once(listener, 'listening');
  const through = new URL(url);
  through.host = `127.0.0.1:${(listener.address() as net.AddressInfo).port}`;
  return {
    url: through.href,
    silence() {
      isSilent = true;
      for (const socket of sockets) silent.add(socket);
    },
    restore() {
      isSilent = false;
    },
    taken: () => ({ ...taken }),
    async close() {
      for (const socket of sockets) socket.destroy();
      listener.close();
      await once(listener, 'close');
    },
  };
}
