import { once } from 'node:events';
import { createServer, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { getRequestListener, RequestError } from '@hono/node-server';
import type { Logger } from 'pino';
import { isLoopbackListener } from '../loopback.ts';
import { Problem, translateError } from '../problem.ts';
import type { App, AppEnv } from './app.ts';
import { beginLongAnswer, forgetLongAnswer } from './longanswer.ts';

export type ServeOptions = {
  /** 0: any free port. */
  port: number;
  host?: string;
  log: Logger;
  /** Fail if the port is taken, instead of taking the next free one. */
  portExact?: boolean;
  /** Listen on an address that other machines can reach. */
  allowNonLoopback?: boolean;
  /** How long `close` waits for requests in progress. */
  drainMs?: number;
  headersTimeoutMs?: number;
  requestTimeoutMs?: number;
};

export type Served = {
  port: number;
  url: string;
  /** The requested port, if it was taken. */
  portTaken: number | undefined;
  /** Accepts no more connections, lets answers finish for up to `drainMs`, and closes all other connections at once. */
  close(): Promise<void>;
};

const portsTriedMax = 50;
const headerBytesMax = 16 * 1024;
/** Longer than the 60 s of common proxies, so that the proxy hangs up first and never sends into a closing connection. */
const keepAliveTimeoutMs = 65_000;

/**
 * Listens. Throws if the host is not loopback and `allowNonLoopback` is not set, or if no port is free.
 */
export async function serve(app: Pick<App, 'fetch'>, options: ServeOptions): Promise<Served> {
  const {
    port: portAsked,
    host = '127.0.0.1',
    log,
    portExact = false,
    allowNonLoopback = false,
    drainMs = 5_000,
  } = options;
  const { headersTimeoutMs = 10_000, requestTimeoutMs = 30_000 } = options;
  if (!allowNonLoopback && !isLoopbackListener(host)) {
    throw new Error(
      `${host} can be reached from other machines. Listen on 127.0.0.1, or set allowNonLoopback if a proxy in front checks who calls.`,
    );
  }

  const answer = getRequestListener((request, env) => answerWhole(app, request, env as AppEnv['Bindings']), {
    errorHandler: (error) => answerFailure(error, log),
  });
  const server = createServer({
    maxHeaderSize: headerBytesMax,
    headersTimeout: headersTimeoutMs,
    requestTimeout: requestTimeoutMs,
    keepAliveTimeout: keepAliveTimeoutMs,
    connectionsCheckingInterval: Math.min(headersTimeoutMs, 1_000),
    requireHostHeader: false, // Node would refuse without a body
  });
  // Beyond a number of headers Node silently drops them, even an Origin or a token; headerBytesMax is the limit
  // instead.
  server.maxHeadersCount = 0;

  const sockets = new Set<Socket>();
  const answering = new Map<Socket, ServerResponse>();
  let isClosing = false;
  server.on('connection', (socket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
  });
  server.on('request', (request, response) => {
    const { socket } = request;
    answering.set(socket, response);
    if (isClosing) response.setHeader('Connection', 'close');
    response.once('close', () => {
      if (answering.get(socket) === response) answering.delete(socket);
      if (isClosing) socket.destroySoon();
    });
    if (request.headers.host === undefined) refuse(response, refuseUrl({ Connection: 'close' }));
    else answer(request, response);
  });
  server.on('checkExpectation', (_request, response: ServerResponse) =>
    refuse(response, new Problem({ status: 417, code: 'unknown-expectation', detail: 'Leave out the Expect header.' })),
  );
  server.on('clientError', (error: NodeJS.ErrnoException, socket: Socket) =>
    refuseMalformed(error, socket, answering.get(socket), log),
  );

  const port = await listen(server, { portAsked, host, portExact });
  server.on('error', (error) => log.error({ err: error }, 'server error'));
  const portTaken = portAsked !== 0 && port !== portAsked ? portAsked : undefined;

  async function drain(): Promise<void> {
    isClosing = true;
    const closed = once(server, 'close');
    server.close();
    for (const socket of sockets) {
      const response = answering.get(socket);
      if (!response) socket.destroy();
      else if (!response.headersSent) response.setHeader('Connection', 'close');
    }
    const deadline = setTimeout(() => {
      log.warn({ requests: answering.size, drainMs }, 'closing cut requests short');
      for (const socket of sockets) socket.destroy();
    }, drainMs);
    await closed;
    clearTimeout(deadline);
  }

  let closing: Promise<void> | undefined;
  return {
    port,
    url: `http://${host.includes(':') ? `[${host}]` : host}:${port}`,
    portTaken,
    close() {
      closing ??= drain();
      return closing;
    },
  };
}

async function answerWhole(app: Pick<App, 'fetch'>, request: Request, env: AppEnv['Bindings']): Promise<Response> {
  try {
    return beginLongAnswer(await app.fetch(request, env), env.outgoing);
  } catch (error) {
    forgetLongAnswer(env.outgoing);
    throw error;
  }
}

async function listen(
  server: Server,
  { portAsked, host, portExact }: { portAsked: number; host: string; portExact: boolean },
): Promise<number> {
  const portMax = portExact || portAsked === 0 ? portAsked : Math.min(portAsked + portsTriedMax - 1, 65_535);
  for (let port = portAsked; ; port += 1) {
    try {
      server.listen(port, host);
      await once(server, 'listening');
      return (server.address() as AddressInfo).port;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EADDRINUSE') throw error;
      if (port >= portMax) {
        const range = portMax === portAsked ? `Port ${portAsked} is` : `Ports ${portAsked} to ${portMax} are`;
        throw new Error(`${range} taken on ${host}. Stop what listens there, or choose another port.`, {
          cause: error,
        });
      }
    }
  }
}

/** Answers a request that cannot reach the app because its target or Host is not a URL. */
function answerFailure(error: unknown, log: Logger): Response {
  const isMalformed = error instanceof RequestError;
  if (!isMalformed) log.error({ err: error }, 'unexpected error');
  const problem = isMalformed ? refuseUrl() : translateError(error);
  return new Response(problem.toBody(), { status: problem.status, headers: problem.toHeaders() });
}

function refuseUrl(headers: Record<string, string> = {}): Problem {
  return new Problem({
    status: 400,
    code: 'malformed-url',
    detail: 'The address or the Host header is missing or not valid. Correct it and send the request again.',
    headers,
  });
}

function refuse(response: ServerResponse, problem: Problem): void {
  const body = problem.toBody();
  response.writeHead(problem.status, { ...problem.toHeaders(), 'Content-Length': Buffer.byteLength(body) }).end(body);
}

const refusals: Record<string, { status: 408 | 413 | 431; code: string; detail: string }> = {
  ERR_HTTP_REQUEST_TIMEOUT: {
    status: 408,
    code: 'request-timeout',
    detail: 'The request took too long to arrive. Send it again.',
  },
  HPE_HEADER_OVERFLOW: {
    status: 431,
    code: 'headers-too-large',
    detail: `Send at most ${headerBytesMax} bytes of address and headers.`,
  },
  HPE_CHUNK_EXTENSIONS_OVERFLOW: { status: 413, code: 'body-too-large', detail: 'Leave out chunk extensions.' },
};

/**
 * Answers input that is not HTTP. While an answer to an earlier request on the connection is due, the client would take
 * this answer for it. Then the server only hangs up: after that answer, or at once if that answer is half sent or is
 * not the next one.
 */
function refuseMalformed(
  error: NodeJS.ErrnoException,
  socket: Socket,
  response: ServerResponse | undefined,
  log: Logger,
): void {
  if (response?.req.complete && !response.headersSent) {
    response.setHeader('Connection', 'close');
    return;
  }
  const isDue = response && !response.writableFinished && (response.headersSent || !response.socket);
  if (!socket.writable || error.code === 'ECONNRESET' || isDue) {
    socket.destroy();
    return;
  }
  const problem = new Problem(
    refusals[error.code ?? ''] ?? {
      status: 400,
      code: 'malformed-http',
      detail: 'This is not valid HTTP/1.1. Correct the request and send it again.',
    },
  );
  log.info({ status: problem.status, problem: problem.code, reason: error.code }, 'request refused');
  const body = problem.toBody();
  const headers = { ...problem.toHeaders(), 'Content-Length': Buffer.byteLength(body), Connection: 'close' };
  const head = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  socket.end(`HTTP/1.1 ${problem.status} ${problem.title}\r\n${head.join('')}\r\n${body}`);
}
