import http, { type ClientRequest, type IncomingMessage } from 'node:http';
import https from 'node:https';
import { promisify } from 'node:util';
import { gunzip } from 'node:zlib';

const unpack = promisify(gunzip);

/** More than any answer that this is for: a provider's keys, a token, a problem. */
const answerBytesMax = 1024 * 1024;

export type Question = {
  method?: string;
  headers?: ConstructorParameters<typeof Headers>[0];
  body?: unknown;
  signal?: AbortSignal | null;
  /** A longer answer is a failure. */
  answerBytesMax?: number;
};

/**
 * Asks another server, as `fetch` does with `redirect: 'manual'`, for short questions and answers: a redirect is an answer like any other, and the
 * answer is there when all of it is. `fetch` compiles WebAssembly to read HTTP, and keeps 10 MB for that as long as the process runs.
 *
 * @throws the signal's reason, such as a TimeoutError, if it comes before the whole answer
 * @throws TypeError with its cause, if the server cannot be reached, breaks off, or answers with too much
 */
export async function askServer(address: string | URL, question: Question = {}): Promise<Response> {
  const { method = 'GET', signal } = question;
  signal?.throwIfAborted();
  const url = new URL(address);
  const headers = new Headers(question.headers);
  headers.set('Accept-Encoding', 'identity');
  if (!headers.has('User-Agent')) headers.set('User-Agent', 'aether'); // some gateways refuse who does not say it
  if (question.body instanceof URLSearchParams && !headers.has('Content-Type'))
    headers.set('Content-Type', 'application/x-www-form-urlencoded;charset=UTF-8');
  const body = toBytes(question.body);
  const options = { method, headers: Object.fromEntries(headers), ...(signal && { signal }) };
  try {
    return await readWhole(await send(url, options, body), question.answerBytesMax ?? answerBytesMax);
  } catch (cause) {
    if (signal?.aborted) throw signal.reason;
    throw new TypeError(`${url.host} cannot be asked`, { cause });
  }
}

/**
 * The beginning of the answer. A connection that waited may have been closed by the server just now; then the question is asked on the next one,
 * and at last on a new one. What may change something is asked once, on a connection of its own: nobody knows how far a server came that broke off.
 */
async function send(
  url: URL,
  options: http.RequestOptions,
  body: string | Uint8Array | undefined,
): Promise<IncomingMessage> {
  const { request: begin, globalAgent, Agent } = url.protocol === 'http:' ? http : https;
  const isSafe = options.method === 'GET' || options.method === 'HEAD';
  // Its options hold the proxy that the environment names; Node documents them, its types do not.
  const { options: shared } = globalAgent as { options?: https.AgentOptions };
  const agent = isSafe ? globalAgent : new Agent({ ...shared, keepAlive: false });
  for (;;) {
    const request = begin(url, { ...options, agent });
    try {
      return await beginningOf(request, body);
    } catch (error) {
      if (!request.reusedSocket || !isClosed(error)) throw error;
    }
  }
}

const isClosed = (error: unknown) => ['ECONNRESET', 'EPIPE'].includes((error as NodeJS.ErrnoException).code ?? '');

function beginningOf(request: ClientRequest, body: string | Uint8Array | undefined): Promise<IncomingMessage> {
  const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
  request.on('error', reject);
  request.once('response', resolve);
  request.once('close', () => reject(new Error('it speaks another protocol'))); // such as 101, which is no response
  request.end(body);
  return promise;
}

function toBytes(body: unknown): string | Uint8Array | undefined {
  if (body === undefined || body === null) return undefined;
  if (typeof body === 'string' || body instanceof Uint8Array) return body;
  if (body instanceof URLSearchParams) return body.toString();
  throw new TypeError('The body of a question is a text, bytes or parameters.');
}

async function readWhole(answer: IncomingMessage, bytesMax: number): Promise<Response> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of answer) {
    bytes += chunk.length;
    // Leaving the loop breaks the connection off.
    if (bytes > bytesMax) throw new Error(`it answers with more than ${bytesMax} bytes`);
    chunks.push(chunk);
  }
  const headers = new Headers();
  for (const [name, values = []] of Object.entries(answer.headersDistinct))
    for (const value of values) headers.append(name, value);
  const body = bytes === 0 ? null : await plainOf(Buffer.concat(chunks), headers, bytesMax);
  return new Response(body, { status: answer.statusCode ?? 0, headers });
}

/** Some gateways pack an answer although nobody asked for that. */
async function plainOf(body: Buffer<ArrayBuffer>, headers: Headers, bytesMax: number): Promise<Buffer<ArrayBuffer>> {
  const packing = headers.get('content-encoding') ?? 'identity';
  if (/^identity$/i.test(packing)) return body;
  if (!/^(x-)?gzip$/i.test(packing)) throw new Error(`it answers in ${packing}, which nobody asked for`);
  headers.delete('content-encoding');
  headers.delete('content-length');
  return Buffer.from(await unpack(body, { maxOutputLength: bytesMax }));
}
