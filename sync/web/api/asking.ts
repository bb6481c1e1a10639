import { readRefusal } from '@aether/ui/refusal.ts';
import { readBody, send } from '@aether/ui/request.ts';

/** What the server answers to a GET. @throws Refusal */
export async function ask<Answer>(path: string, signal?: AbortSignal): Promise<Answer> {
  const answer = await send(path, signal ? { signal } : {});
  if (!answer.ok) throw await readRefusal(answer);
  return (await readBody(answer)) as Answer;
}

/** What the server answers to an act. @throws Refusal */
export async function act<Answer = undefined>(
  method: 'POST' | 'DELETE',
  path: string,
  body?: Record<string, unknown>,
): Promise<Answer> {
  const answer = await send(path, {
    method,
    ...(body && { body: JSON.stringify(body), headers: { 'Content-Type': 'application/json' } }),
  });
  if (!answer.ok) throw await readRefusal(answer);
  return (answer.status === 204 ? undefined : await answer.json()) as Answer;
}
