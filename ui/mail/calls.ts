import { readRefusal } from '../refusal.ts';
import { send } from '../request.ts';

/* Both apps have the same routes for e-mail. */

export type WholeMail = {
  id: string;
  kind: 'reply' | 'other' | 'new' | 'automatic' | 'bounce' | 'held';
  from: string | null;
  subject: string | null;
  received_at: string;
  text: string;
  attachments: { name: string; type: string; bytes: number }[];
};

async function call(path: string, body?: object): Promise<Response> {
  const answer = await send(
    path,
    body && { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(body) },
  );
  if (!answer.ok) throw await readRefusal(answer);
  return answer;
}

/** @throws Refusal */
export const readWholeMail = async (id: string): Promise<WholeMail> =>
  (await call(`/api/received-mails/${id}`)).json() as Promise<WholeMail>;

/** Sends a mail again that failed, or of which nobody knows. @throws Refusal */
export const sendMailAgain = (id: string) => call(`/api/mails/${id}/again`, {});

/** @throws Refusal, if it has gone */
export const takeMailBack = (id: string) => call(`/api/mails/${id}/cancel`, {});

/** The address may be written to again. @throws Refusal */
export const allowAddress = (email: string) => call('/api/mail/addresses/allow', { email });
