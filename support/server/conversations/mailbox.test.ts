import { atEnd } from '@aether/database/testing';
import { until } from '@aether/database/testing.scope';
import { answerTo, compose, postInbound, startPostOffice } from '@aether/mail/testing';
import { hasDovecot, startDovecot } from '@aether/mail/testing.dovecot';
import { expect, test } from 'vitest';
import { startTestSupport, widgetKey } from '../testing.ts';
import { visit } from '../visitors/testing.visitor.ts';

const secret = `whsec_${Buffer.alloc(32, 5).toString('base64')}`;
const withoutIt = hasDovecot ? '' : ' (left out: dovecot-imapd is not installed)';

test.skipIf(!hasDovecot)(
  `an answer and a mail of a stranger are read by IMAP as they arrive, once, and the mailbox stays as it was${withoutIt}`,
  async () => {
    const [office, mailbox] = await Promise.all([startPostOffice(), startDovecot()]);
    atEnd(() => Promise.all([office.close(), mailbox.close()]));
    await mailbox.deliver(await compose({ from: 'old@post.example', to: 'help@shop.example', text: 'Of last year' }));
    const settings = {
      MAIL_SMTP_URL: `smtp://127.0.0.1:${office.port}`,
      MAIL_FROM: 'help@shop.example',
      MAIL_IMAP_URL: mailbox.url,
      MAIL_INBOUND_SECRET: secret,
      MAIL_WAIT_SECONDS: '0',
      MAIL_OPENS_WIDGET: widgetKey,
    };
    const app = await startTestSupport(settings);
    // A second process of Support does not read it, too.
    await app.startAnother(settings);
    const who = await visit(app, { email: 'ann@post.example' });
    await who.say('Do you have these shoes?');
    await app.callAs('priya')('POST', `/api/sessions/${who.id}/replies`, { client_id: 'one', body: 'Which size?' });
    const mail = await office.mailTo('ann@post.example');
    const placed = async () => {
      const [row] = await app.support.query<{ last: string | null }>(
        `select last_uid::text as last from platform.mail_apps where uid_validity is not null`,
      );
      return row?.last;
    };
    await until(async () => (await placed()) === '1');

    const answer = await answerTo(mail, { from: 'ann@post.example', text: 'Size 42.' });
    const ear = await who.listen();
    const attachments = [{ filename: 'order.txt', content: 'Two pairs' }];
    const stray = {
      from: 'eve@post.example',
      to: 'help@shop.example',
      subject: 'An order',
      text: 'Two, please',
      attachments,
    };
    await mailbox.deliver(await compose(stray));
    await mailbox.deliver(answer);
    await ear.until((heard) => heard.some(({ data }) => data.body === 'Size 42.'));
    ear.close();
    expect(await placed()).toBe('3');
    expect((await postInbound(app.url, secret, answer)).body.outcome).toBe('known');
    const { body } = await app.callAs('priya')('GET', `/api/sessions/${who.id}`);
    expect(body.messages.map((message: { body: string }) => message.body)).toEqual([
      'Do you have these shoes?',
      'Which size?',
      'Size 42.',
    ]);
    expect(await mailbox.countUntouched()).toBe(3);
    const { body: inbox } = await app.callAs('priya')('GET', '/api/sessions');
    const [opened] = inbox.sessions.filter((each: { visitor_email: string }) => each.visitor_email === stray.from);
    const { body: eve } = await app.callAs('priya')('GET', `/api/sessions/${opened.id}`);
    expect(eve.messages).toMatchObject([
      { body: 'Two, please', files: [{ name: 'order.txt' }], mail: { subject: 'An order' } },
    ]);
  },
);
