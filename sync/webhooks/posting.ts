import http from 'node:http';
import https from 'node:https';
import { isIP } from 'node:net';
import { isOpenAddress, type Networks, openLookup } from './networks.ts';

/**
 * What came of a message; `code` is the status of the answer, or why there was none. taken: the receiver has it. gone: it wants no more (410). refused: it answers something else, because of this message
 * (`isOwn`) or for a reason of its own. unreachable: it does not answer, or asks to wait.
 */
export type Posted =
  | { kind: 'taken'; code: string }
  | { kind: 'gone'; code: string }
  | { kind: 'refused'; code: string; isOwn: boolean }
  | { kind: 'unreachable'; code: string; waitMs?: number };

export type Poster = {
  /** Posts one message, and gives up after ten seconds. It throws nothing. */
  post(url: string, message: { headers: Record<string, string>; body: string }): Promise<Posted>;
  close(): void;
};

const answerMs = 10_000;
const waitMsMax = 3_600_000;
/** What a message itself may be the reason for. */
const ofMessage = new Set([400, 409, 413, 415, 422]);
const unreachable = new Set([408, 425, 429, 502, 503, 504]);

/**
 * Posts to addresses that somebody has entered: only to open networks, without following a redirect, and without reading the answer.
 *
 * @param networks those that are open beside the public internet
 */
export function openPoster(networks: Networks, { timeoutMs = answerMs }: { timeoutMs?: number } = {}): Poster {
  const lookup = openLookup(networks);
  const options = { keepAlive: true, maxSockets: 16, maxFreeSockets: 4, timeout: 30_000 };
  const agents = { 'http:': new http.Agent(options), 'https:': new https.Agent(options) };

  function post(
    address: string,
    { headers, body }: { headers: Record<string, string>; body: string },
  ): Promise<Posted> {
    const url = new URL(address);
    const host = url.hostname.replace(/^\[|\]$/g, '');
    // Nobody looks an address up that is one already.
    if (isIP(host) !== 0 && !isOpenAddress(host, networks))
      return Promise.resolve({ kind: 'unreachable', code: 'ADDRESS_REFUSED' });
    const { promise, resolve } = Promise.withResolvers<Posted>();
    const protocol = url.protocol === 'http:' ? 'http:' : 'https:';
    const request = (protocol === 'http:' ? http : https).request(url, {
      method: 'POST',
      agent: agents[protocol],
      lookup,
      signal: AbortSignal.timeout(timeoutMs),
      headers: {
        'Content-Type': 'application/json',
        'Content-Length': Buffer.byteLength(body),
        'User-Agent': 'aether-webhooks',
        ...headers,
      },
    });
    request.once('response', (response) => {
      resolve(toPosted(response));
      // What the receiver says is not read. A long answer costs its connection.
      if (Number(response.headers['content-length'] ?? Infinity) <= 16_384) response.resume();
      else response.destroy();
      response.on('error', () => {});
    });
    request.on('error', (error) => resolve({ kind: 'unreachable', code: codeOf(error) }));
    request.end(body);
    return promise;
  }

  return {
    post,
    close() {
      for (const agent of Object.values(agents)) agent.destroy();
    },
  };
}

function toPosted({ statusCode: status = 0, headers }: http.IncomingMessage): Posted {
  const code = `HTTP ${status}`;
  if (status >= 200 && status < 300) return { kind: 'taken', code };
  if (status === 410) return { kind: 'gone', code };
  if (!unreachable.has(status)) return { kind: 'refused', code, isOwn: ofMessage.has(status) };
  const seconds = Number(headers['retry-after']);
  return { kind: 'unreachable', code, ...(seconds > 0 && { waitMs: Math.min(seconds * 1_000, waitMsMax) }) };
}

function codeOf(error: NodeJS.ErrnoException): string {
  if (error.name === 'AbortError' || error.name === 'TimeoutError') return 'no answer in time';
  return error.code ?? error.name;
}
