import type { Called } from '@aether/http/testing';
import type { TestSupport } from '../testing.ts';
import { widgetKey } from '../testing.ts';

type Json = Record<string, unknown>;

export type TestVisitor = {
  id: string;
  token: string;
  /** Calls below the session, with its token unless another is given: `call('POST', 'messages', {…})`. */
  call(method: string, path: string, body?: Json, headers?: Record<string, string>): Promise<Called>;
  say(body: string, clientId?: string): Promise<Called>;
  listen(after?: number, token?: string): Promise<VisitorEar>;
};

let unique = 0;
const nextId = () => {
  unique += 1;
  return `said-${unique}`;
};

/** A visitor who has opened a session. */
export async function visit(
  app: TestSupport,
  given: Json = {},
  { key = widgetKey, url = app.url }: { key?: string; url?: string } = {},
): Promise<TestVisitor> {
  unique += 1;
  const opened = await app.callAnonymously('POST', `/api/widgets/${key}/sessions`, {
    email: `guest${unique}.${process.pid}@post.example`,
    name: `Guest ${unique}`,
    ...given,
  });
  if (opened.status !== 201) throw new Error(`the session was not opened: ${JSON.stringify(opened.body)}`);
  const { session_id: id, visitor_token: token } = opened.body;
  const visitor: TestVisitor = {
    id,
    token,
    call: (method, path, body, headers) =>
      app.callAnonymously(method, `/api/sessions/${id}/${path}`, body, {
        Authorization: `Bearer ${token}`,
        ...headers,
      }),
    say: (body, clientId = nextId()) => visitor.call('POST', 'messages', { client_id: clientId, body }),
    listen: (after = 0, withToken = token) => listenTo(`${url}/api/sessions/${id}/stream?after=${after}`, withToken),
  };
  return visitor;
}

export type Said = { event: string; id: string | undefined; data: Json };
export type VisitorEar = {
  /** The messages so far. */
  heard: Said[];
  /** Settles when the condition holds for the messages so far; it may never settle: give the test a time limit. */
  until(isSo: (heard: Said[]) => boolean): Promise<void>;
  /** Settles when the server ends the stream. */
  ended: Promise<void>;
  close(): void;
};

/** A stream of server-sent events by fetch, as the widget reads it. */
export async function listenTo(url: string, token: string): Promise<VisitorEar> {
  const closing = new AbortController();
  const answer = await fetch(url, { headers: { Authorization: `Bearer ${token}` }, signal: closing.signal });
  if (!answer.ok || !answer.body) throw new Error(`no stream: ${answer.status} ${await answer.text()}`);
  const heard: Said[] = [];
  const waiting = new Set<() => void>();
  const read = async () => {
    let rest = '';
    for await (const chunk of answer.body?.pipeThrough(new TextDecoderStream()) ?? []) {
      const blocks = (rest + chunk).split('\n\n');
      rest = blocks.pop() ?? '';
      for (const block of blocks) {
        const fields = Object.fromEntries(block.split('\n').map((line) => line.split(/: (.*)/s).slice(0, 2)));
        if (fields.event) heard.push({ event: fields.event, id: fields.id, data: JSON.parse(fields.data) });
      }
      for (const look of waiting) look();
    }
  };
  return {
    heard,
    ended: read().catch(() => {}),
    close: () => closing.abort(),
    until: (isSo) =>
      new Promise<void>((resolve) => {
        const look = () => {
          if (!isSo(heard)) return;
          waiting.delete(look);
          resolve();
        };
        waiting.add(look);
        look();
      }),
  };
}
