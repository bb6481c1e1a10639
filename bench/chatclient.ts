import { Agent, type ClientRequest, type IncomingMessage, request } from 'node:http';

const keepAlive = new Agent({ keepAlive: true, maxSockets: 64 });
const apart = new Agent({ maxSockets: Number.POSITIVE_INFINITY });

/** Posts JSON. @throws Error of a status other than 2xx, with the answer. */
export function post(url: string, body: object, headers: Record<string, string>): Promise<Record<string, unknown>> {
  const { promise, resolve, reject } = Promise.withResolvers<Record<string, unknown>>();
  const text = JSON.stringify(body);
  const sent = request(
    url,
    {
      method: 'POST',
      agent: keepAlive,
      headers: { 'Content-Type': 'application/json', 'Content-Length': Buffer.byteLength(text), ...headers },
    },
    async (answer) => {
      let given = '';
      for await (const chunk of answer.setEncoding('utf8')) given += chunk;
      if ((answer.statusCode ?? 500) >= 300) reject(new Error(`${url}: ${answer.statusCode} ${given}`));
      else resolve(given ? JSON.parse(given) : {});
    },
  );
  sent.on('error', reject);
  sent.end(text);
  return promise;
}

/** Closes the connections of requests, not the streams. */
export function hangUp(): void {
  keepAlive.destroy();
}

/** Streams of server-sent events, and the time at which each message first arrived on one of them, by client_id. */
export class Listeners {
  readonly heardAt = new Map<string, number>();
  readonly #requests: ClientRequest[] = [];

  /** Settles when the stream is open. @throws Error of a status other than 200 */
  open(url: string, headers: Record<string, string>): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const sent = request(
      url,
      { agent: apart, headers: { Accept: 'text/event-stream', ...headers } },
      (answer: IncomingMessage) => {
        if (answer.statusCode !== 200) return reject(new Error(`${url}: ${answer.statusCode}`));
        resolve();
        answer
          .setEncoding('utf8')
          .on('data', (piece: string) => this.#hear(piece))
          .on('error', () => {});
      },
    );
    sent.on('error', reject);
    sent.end();
    this.#requests.push(sent);
    return promise;
  }

  #hear(piece: string): void {
    const now = performance.now();
    for (const [, id] of piece.matchAll(/"client_id":"([^"]+)"/g))
      if (id && !this.heardAt.has(id)) this.heardAt.set(id, now);
  }

  close(): void {
    for (const each of this.#requests) each.destroy();
  }
}
