import http, { type IncomingMessage } from 'node:http';
import https from 'node:https';

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
  const { method = 'GET', signal, body } = question;
  signal?.throwIfAborted();
  const url = new URL(address);
  const headers = new Headers(question.headers);
  headers.set('Accept-Encoding', 'identity');
  if (body instanceof URLSearchParams && !headers.has('Content-Type'))
    headers.set('Content-Type', 'application/x-www-form-urlencoded;charset=UTF-8');
  const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
  try {
    const request = (url.protocol === 'http:' ? http : https).request(url, {
      method,
      headers: Object.fromEntries(headers),
      ...(signal && { signal }),
    });
    request.on('error', reject);
    request.once('response', resolve);
    request.end(toBytes(body));
    return await readWhole(await promise, question.answerBytesMax ?? answerBytesMax);
  } catch (cause) {
    if (signal?.aborted) throw signal.reason;
    throw new TypeError(`${url.host} cannot be asked`, { cause });
  }
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
  return new Response(bytes === 0 ? null : Buffer.concat(chunks), { status: answer.statusCode ?? 0, headers });
}
