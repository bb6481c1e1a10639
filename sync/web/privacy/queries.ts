import { readRefusal } from '@aether/ui/refusal.ts';
import { send } from '@aether/ui/request.ts';
import { act } from '../api/asking.ts';

export type FoundCustomer = { id: string; name: string; email: string; erased_at: string | null };
export type Held = { table: string; chapter: string; title: string; why: string; rows: number };
export type Found = {
  customers: FoundCustomer[];
  person: { customers: string[]; emails: string[]; phones: string[]; conversations: number } | null;
  held: Held[];
};

/** What is held about a person. The question is a body, so that no address is in the address of a page. */
export const findPerson = (who: string) => act<Found>('POST', '/api/privacy/find', { who });

/** Downloads a person's zip. @returns the name of the file */
export async function downloadExport(who: string, reason: string): Promise<string> {
  const answer = await send('/api/privacy/export', {
    method: 'POST',
    body: JSON.stringify({ who, ...(reason && { reason }) }),
    headers: { 'Content-Type': 'application/json' },
  });
  if (!answer.ok) throw await readRefusal(answer);
  const name = /filename="([^"]+)"/.exec(answer.headers.get('content-disposition') ?? '')?.[1] ?? 'person.zip';
  // A file that was cut off is an error here, and is never saved.
  const url = URL.createObjectURL(await answer.blob());
  const link = Object.assign(document.createElement('a'), { href: url, download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
  return name;
}
