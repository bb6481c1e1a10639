import { once } from 'node:events';
import { connect } from 'node:net';
import { Writable } from 'node:stream';
import { text as readText } from 'node:stream/consumers';
import type { Logger } from 'pino';
import { type App, type AppOptions, createApp } from './serving/app.ts';
import { createLog } from './serving/log.ts';
import { type Served, type ServeOptions, serve } from './serving/serve.ts';

export type LogEntry = Record<string, unknown> & { msg: string; level: number };

/** A log of level debug that keeps its entries. */
export function collectLog(): { log: Logger; entries: LogEntry[] } {
  const entries: LogEntry[] = [];
  const lines = new Writable({
    write(line, _encoding, done) {
      entries.push(JSON.parse(String(line)));
      done();
    },
  });
  const log = createLog('test', lines);
  log.level = 'debug';
  return { log, entries };
}

export type TestServer = Served & { entries: LogEntry[]; [Symbol.asyncDispose](): Promise<void> };

/** Serves an app with the given routes on a free port: `await using server = await serveApp(…)`. */
export async function serveApp(
  addRoutes: (app: App) => void,
  { app: appOptions, serve: serveOptions }: { app?: Partial<AppOptions>; serve?: Partial<ServeOptions> } = {},
): Promise<TestServer> {
  const { log, entries } = collectLog();
  const app = createApp({ name: 'test', title: 'Test', version: '1.0.0', log, ...appOptions });
  addRoutes(app);
  const served = await serve(app, { port: 0, log, ...serveOptions });
  return { ...served, entries, [Symbol.asyncDispose]: () => served.close() };
}

export type Answer = { status: number; headers: Headers; body: string };

/** Writes bytes to a new socket and reads until the server hangs up; undefined if it hangs up without an answer. */
export async function sendRaw(
  port: number,
  bytes: string | Uint8Array,
  { end = false } = {},
): Promise<Answer | undefined> {
  const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true });
  await once(socket, 'connect');
  if (end) socket.end(bytes);
  else socket.write(bytes);
  const answer = await readText(socket).catch(() => '');
  socket.destroy();
  return parseAnswer(answer);
}

export function parseAnswer(answer: string): Answer | undefined {
  if (answer === '') return undefined;
  const [head = '', ...body] = answer.split('\r\n\r\n');
  const [statusLine = '', ...lines] = head.split('\r\n');
  const headers = new Headers(
    lines.map((line) => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 1)] as [string, string]),
  );
  return { status: Number(statusLine.split(' ')[1]), headers, body: body.join('\r\n\r\n') };
}

/** Posts a body as it is, as JSON unless the headers say otherwise. */
export function post(
  url: string,
  body: RequestInit['body'],
  headers: Record<string, string> = { 'Content-Type': 'application/json' },
): Promise<Response> {
  return fetch(url, { method: 'POST', headers, body, duplex: 'half' } as RequestInit);
}

type ProblemBody = {
  status: number;
  code: string;
  detail: string;
  errors?: { field: string; in?: string; message: string }[];
  requestId?: string;
};

/** The problem of an answer, after a check that it is complete. */
export async function readProblem(answer: Response | Answer | undefined): Promise<ProblemBody> {
  if (!answer) throw new Error('no answer');
  const type = answer.headers.get('content-type');
  const body = 'text' in answer ? await answer.text() : answer.body;
  if (type !== 'application/problem+json') throw new Error(`not a problem: ${answer.status} ${type} ${body}`);
  const problem = JSON.parse(body);
  const { status, code, title, detail } = problem;
  if (status !== answer.status || problem.type !== `urn:aether:problem:${code}` || !title || !detail) {
    throw new Error(`not a whole problem: ${answer.status} ${body}`);
  }
  return problem;
}

type Json = Record<string, unknown>;
// biome-ignore lint/suspicious/noExplicitAny: a test says what it expects of the body.
export type Called = { status: number; headers: Headers; body: any };

/** Calls a server the way its clients do: `const call = callerOf(server.url); (await call('GET', '/api/deals')).body`. */
export function callerOf(url: string) {
  return async (method: string, path: string, body?: Json, headers: Record<string, string> = {}): Promise<Called> => {
    const response = await fetch(`${url}${path}`, {
      method,
      headers: { ...(body && { 'Content-Type': 'application/json' }), ...headers },
      body: body && JSON.stringify(body),
    });
    const text = await response.text();
    return { status: response.status, headers: response.headers, body: text ? JSON.parse(text) : undefined };
  };
}
