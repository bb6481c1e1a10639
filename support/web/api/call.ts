import { Refusal, readRefusal } from '@aether/ui/refusal.ts';
import { send } from '@aether/ui/request.ts';
import type { Named } from './records.ts';

type Method = 'GET' | 'POST' | 'PATCH' | 'PUT' | 'DELETE';
type CallOptions = {
  query?: Record<string, string | number | undefined>;
  body?: unknown;
  signal?: AbortSignal;
};

/** Somebody else has the conversation. */
export class SessionClaimed extends Refusal {
  readonly agent: Named;

  constructor(status: number, body: { code: string; detail?: string; agent: Named }) {
    super(status, body);
    this.name = 'SessionClaimed';
    this.agent = body.agent;
  }
}

/** Asks Support's server. @returns the body of a good answer. @throws Refusal for every other */
export async function call<Body>(
  method: Method,
  path: string,
  { query = {}, body, signal }: CallOptions = {},
): Promise<Body> {
  const asked = Object.entries(query).filter(([, value]) => value !== undefined && value !== '');
  const search = new URLSearchParams(asked.map(([name, value]) => [name, String(value)])).toString();
  const answer = await send(`/api/${path}${search && `?${search}`}`, {
    method,
    signal,
    ...(body !== undefined && { body: JSON.stringify(body), headers: { 'Content-Type': 'application/json' } }),
  });
  if (!answer.ok) throw await readOwnRefusal(answer);
  return (answer.status === 204 ? undefined : await answer.json()) as Body;
}

async function readOwnRefusal(answer: Response): Promise<Refusal> {
  const body = await answer
    .clone()
    .json()
    .catch(() => undefined);
  return body?.code === 'session-claimed' && body.agent
    ? new SessionClaimed(answer.status, body)
    : readRefusal(answer);
}
