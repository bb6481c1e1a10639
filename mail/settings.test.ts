import { expect, test } from 'vitest';
import { readMailSettings } from './settings.ts';

const read = (MAIL_REPLY_TO: string) =>
  readMailSettings({ MAIL_SMTP_URL: 'smtp://127.0.0.1', MAIL_FROM: 'help@shop.example', MAIL_REPLY_TO });

test.each(['help+{tok}@shop.example', 'help+{token}{token}@shop.example', 'Help <help@shop.example>'])(
  'an address for answers that nobody can answer is refused at the start: %s',
  (given) => {
    expect(() => read(given)).toThrow('MAIL_REPLY_TO must be one address');
    expect(read('help+{token}@shop.example').replyTo).toBe('help+{token}@shop.example');
  },
);

test('mails open conversations only where mail comes in, and through a key that a widget may have', () => {
  const given = { MAIL_SMTP_URL: 'smtp://127.0.0.1', MAIL_FROM: 'help@shop.example' };
  expect(() => readMailSettings({ ...given, MAIL_OPENS_WIDGET: 'main-shop' })).toThrow('no mail comes in');
  const withBox = { ...given, MAIL_IMAP_URL: 'imap://127.0.0.1' };
  expect(() => readMailSettings({ ...withBox, MAIL_OPENS_WIDGET: 'Main shop' })).toThrow('must be the key of a widget');
  expect(readMailSettings({ ...withBox, MAIL_OPENS_WIDGET: 'main-shop' }).opensWidget).toBe('main-shop');
});
