import type { Attempt } from './outbox.ts';
import { readAttempt } from './outbox.ts';
import type { Session } from './session.ts';
import type { Message, SentFile } from './thread.ts';

/** A widget's settings, as GET …/config returns them. */
export type Config = {
  name: string;
  language: string;
  /** Those that it speaks besides its own; a server of an earlier version says nothing of them. */
  languages?: string[];
  theme: { color: string; mode: 'auto' | 'light' | 'dark'; position: 'left' | 'right' };
  texts: Record<string, string>;
  ask: 'before' | 'never';
  is_online: boolean;
  bot: { name: string; greeting: string | null; questions: { id: string; label: string }[] } | null;
  opens_at: string | null;
};

/** The state of a conversation. */
export type SessionState = {
  status: 'active' | 'ended';
  handler: 'bot' | 'agent';
  agent: { name: string } | null;
  agent_read_number: number;
  identity: 'claimed' | 'verified';
  visitor_name: string | null;
  /** Of an ended one: until then a message opens it again. */
  reopens_until?: string | null;
  /** So many hours after its last message it ends by itself, unless the visitor waits for an answer. */
  ends_after_hours?: number | null;
  /** The score that the visitor gave; a server of an earlier version says nothing of it. */
  rating?: number | null;
  asks_rating?: boolean;
};

export type Server = ReturnType<typeof connectServer>;

type Answer<Body> = { attempt: Attempt; body?: Body };
const answerWithinMs = 20_000;

/** Support's public interface, as far as a widget needs it. The token goes into a header, never into an address; there are no cookies. */
export function connectServer(base: string, key: string) {
  let failures = 0;

  async function call<Body>(
    method: string,
    path: string,
    { body, token, signal }: { body?: object; token?: string; signal?: AbortSignal } = {},
  ): Promise<Answer<Body>> {
    let answer: Response | undefined;
    try {
      answer = await fetch(base + path, {
        method,
        credentials: 'omit',
        signal: signal ?? AbortSignal.timeout(answerWithinMs),
        headers: {
          ...(body && { 'Content-Type': body instanceof Blob ? 'application/octet-stream' : 'application/json' }),
          ...(token && { Authorization: `Bearer ${token}` }),
        },
        body: body instanceof Blob ? body : body && JSON.stringify(body),
      });
      const given = answer.status === 204 ? undefined : await answer.json();
      const attempt = readAttempt(
        answer.status,
        { code: given?.code, detail: describe(given), retryAfter: answer.headers.get('retry-after') },
        failures,
      );
      failures = attempt.kind === 'later' ? failures + 1 : 0;
      return { attempt, body: given };
    } catch {
      return { attempt: readAttempt(undefined, {}, failures++) };
    }
  }

  const below = ({ id }: Session, path: string) => `/api/sessions/${id}/${path}`;
  return {
    readConfig: () => call<Config>('GET', `/api/widgets/${key}/config`),
    open: (opening: object) =>
      call<{ session_id: string; visitor_token: string }>('POST', `/api/widgets/${key}/sessions`, { body: opening }),
    send: (
      session: Session,
      message: { client_id: string; body: string; question_id?: string; files?: string[]; reopens?: false },
    ) => call<Message>('POST', below(session, 'messages'), { body: message, token: session.token }),
    read: (session: Session, after: number) =>
      call<{ messages: Message[]; session: SessionState }>('GET', below(session, `messages?after=${after}&limit=200`), {
        token: session.token,
      }),
    tell: (session: Session, what: 'typing' | 'read' | 'hand-over', body: object) =>
      call<undefined>('POST', below(session, what), { body, token: session.token }),
    rate: (session: Session, rating: { score: number; comment?: string }) =>
      call<object>('POST', below(session, 'rating'), { body: rating, token: session.token }),
    verify: (session: Session, identityToken: string) =>
      call<{ visitor_token: string }>('POST', below(session, 'identity'), {
        body: { identity_token: identityToken },
        token: session.token,
      }),
    upload: <Body>(session: Session, path: string, body: object, signal: AbortSignal) =>
      call<Body>('POST', below(session, `uploads${path}`), { body, token: session.token, signal }),
    /** A file or its thumbnail, under the server's name, whose end fits what it is; undefined if it cannot be had. */
    file: ({ id, token }: Session, file: SentFile, variant = ''): Promise<File | undefined> =>
      fetch(`${base}/api/sessions/${id}/files/${file.id}${variant}`, {
        credentials: 'omit',
        headers: { Authorization: `Bearer ${token}` },
      }).then(
        async (answer) => {
          if (!answer.ok) return undefined;
          const [, name = file.id] = /.*''(.*)/.exec(answer.headers.get('Content-Disposition') ?? '') ?? [];
          return new File([await answer.blob()], decodeURIComponent(name));
        },
        () => undefined,
      ),
    stream: (session: Session, after: number, signal: AbortSignal) =>
      fetch(`${base}${below(session, `stream?after=${after}`)}`, {
        credentials: 'omit',
        signal,
        headers: { Authorization: `Bearer ${session.token}` },
      }),
  };
}

/** The error in the server's words: of several fields, the first. */
function describe(problem: { detail?: string; errors?: { field: string; message: string }[] } | undefined) {
  const [first] = problem?.errors ?? [];
  return first ? `${first.field} ${first.message}` : problem?.detail;
}
