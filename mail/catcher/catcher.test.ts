import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { atEnd } from '@aether/database/testing';
import { createLog, serve } from '@aether/http';
import { createTransport } from 'nodemailer';
import { expect, test } from 'vitest';
import { readMail } from '../reading.ts';
import { readMailSettings } from '../settings.ts';
import { checkInbound } from '../signing.ts';
import { startMailCatcher } from './catcher.ts';

test('a mail is caught, shown as text, and its answer goes to the apps with the signature; no other page can answer', async () => {
  const log = createLog('test');
  log.level = 'silent';
  const handed: Buffer[] = [];
  let key: Buffer = Buffer.alloc(0);
  const app = await serve(
    {
      async fetch(request: Request) {
        const body = Buffer.from(await request.arrayBuffer());
        const header = (name: string) => request.headers.get(name) ?? '';
        const why = checkInbound(key, {
          id: header('webhook-id'),
          timestamp: header('webhook-timestamp'),
          signature: header('webhook-signature'),
          body,
        });
        handed.push(body);
        return Response.json({ outcome: why ?? 'taken' });
      },
    } as unknown as Parameters<typeof serve>[0],
    { port: 0, log },
  );
  const catcher = await startMailCatcher({ port: 0, log, inboundUrls: () => [app.url] });
  atEnd(() => Promise.all([app.close(), catcher.close()]));
  const { smtp, inboundKey, from } = readMailSettings(catcher.variables);
  key = inboundKey ?? key;
  const transport = createTransport({ host: smtp?.host, port: smtp?.port });
  await transport.sendMail({
    from,
    replyTo: 'x+1@aether.localhost',
    to: 'ann@post.example',
    subject: '<b>Hi',
    text: '<script>1</script>',
  });

  const list = await (await fetch(catcher.url)).text();
  expect(list).toContain('&#60;b&#62;Hi');
  const page = await (await fetch(`${catcher.url}/mails/1`)).text();
  expect(page).toContain('&#60;script&#62;1');
  const answer = (text: string, origin: string) =>
    fetch(`${catcher.url}/mails/1/answer`, {
      method: 'POST',
      redirect: 'manual',
      headers: { Origin: origin, 'Content-Type': 'application/x-www-form-urlencoded' },
      body: new URLSearchParams({ text, from: 'ann@post.example' }),
    });
  expect((await answer('Evil', 'https://evil.example')).status).toBe(403);
  expect((await answer(' ', catcher.url)).status).toBe(422);
  expect((await answer('Yes, please.', catcher.url)).status).toBe(303);
  expect(handed).toHaveLength(1);
  expect(await readMail(handed[0] as Buffer)).toMatchObject({ from: 'ann@post.example', said: 'Yes, please.' });
  expect(await (await fetch(`${catcher.url}/mails/1`)).text()).toContain('It is in the conversation');

  const form = new FormData();
  for (const [name, value] of Object.entries({
    from: 'ben@post.example',
    subject: 'Boots',
    text: 'Do you have boots?',
  }))
    form.set(name, value);
  form.append('files', new File(['left'], 'boot.txt'));
  const written = await fetch(`${catcher.url}/write`, { method: 'POST', headers: { Origin: catcher.url }, body: form });
  expect([written.status, await written.text()]).toEqual([200, expect.stringContaining('role="status"')]);
  expect(await readMail(handed[1] as Buffer)).toMatchObject({
    from: 'ben@post.example',
    subject: 'Boots',
    tokens: [],
    attachments: [{ name: 'boot.txt', bytes: 4 }],
  });
});

test('of a mail that was caught its words are kept, and not its bytes', async () => {
  const log = createLog('test');
  log.level = 'silent';
  const catcher = await startMailCatcher({ port: 0, log, inboundUrls: () => [] });
  atEnd(() => catcher.close());
  const { smtp, from } = readMailSettings(catcher.variables);
  const transport = createTransport({ host: smtp?.host, port: smtp?.port });
  const send = () =>
    transport.sendMail({
      from,
      replyTo: 'x+1@aether.localhost',
      to: 'ann@post.example',
      subject: 'Pictures',
      text: 'Here they are.',
      attachments: [{ filename: 'boots.bin', content: Buffer.alloc(1_000_000, 7) }],
    });
  await send(); // loads the modules
  const before = bytesHeld();
  for (let n = 0; n < 12; n++) await send();
  // The mails have 16 MB. What a connection still has goes once it is closed, and what the catcher holds stays.
  await expect.poll(() => bytesHeld() - before).toBeLessThan(6_000_000);
  const shown = (await (await fetch(`${catcher.url}/mails.json`)).json()) as { subject: string; text: string }[];
  expect(shown).toHaveLength(13);
  expect(shown[0]).toMatchObject({ subject: 'Pictures', text: 'Here they are.\n', replyTo: 'x+1@aether.localhost' });
});

/** After a collection of garbage: buffers and strings. */
function bytesHeld(): number {
  setFlagsFromString('--expose-gc');
  runInNewContext('gc')();
  const { arrayBuffers, heapUsed } = process.memoryUsage();
  return arrayBuffers + heapUsed;
}
