import { expect, test } from 'vitest';
import { readAlertSettings } from './settings.ts';

const secret = `whsec_${Buffer.alloc(32, 7).toString('base64')}`;
const mail = {
  ALERTS_SMTP_URL: 'smtps://u:p@mail.example.com',
  ALERTS_MAIL_FROM: 'a@example.com',
  ALERTS_MAIL_TO: 'b@example.com',
};

test('without settings, alerts go to the console only', () => {
  expect(readAlertSettings({})).toEqual({ webhook: undefined, mail: undefined, consoleUrl: undefined });
});

test('a mail server has the usual ports, and TLS or STARTTLS unless it is this machine', () => {
  expect(readAlertSettings(mail).mail).toMatchObject({
    host: 'mail.example.com',
    port: 465,
    isTls: true,
    requiresTls: false,
    user: 'u',
  });
  const at = (url: string) => readAlertSettings({ ...mail, ALERTS_SMTP_URL: url }).mail;
  expect(at('smtp://mail.example.com')).toMatchObject({ port: 587, isTls: false, requiresTls: true, user: undefined });
  expect(at('smtp://127.0.0.1:2525')).toMatchObject({ port: 2525, requiresTls: false });
});

test.each([
  [{ ALERTS_WEBHOOK_URL: 'http://hooks.example.com', ALERTS_WEBHOOK_SECRET: secret }, /must begin with https/],
  [{ ALERTS_WEBHOOK_URL: 'ftp://hooks.example.com', ALERTS_WEBHOOK_SECRET: secret }, /must begin with https/],
  [{ ALERTS_WEBHOOK_URL: 'https://me:pw@hooks.example.com', ALERTS_WEBHOOK_SECRET: secret }, /without a user/],
  [{ ALERTS_WEBHOOK_URL: 'https://hooks.example.com' }, /ALERTS_WEBHOOK_SECRET must be whsec_/],
  [
    { ALERTS_WEBHOOK_URL: 'https://hooks.example.com', ALERTS_WEBHOOK_SECRET: 'whsec_c2hvcnQ=' },
    /24 to 64 random bytes/,
  ],
  [{ ALERTS_WEBHOOK_URL: 'https://hooks.example.com', ALERTS_WEBHOOK_SECRET: secret.slice(6) }, /must be whsec_/],
  [{ ALERTS_WEBHOOK_SECRET: secret }, /ALERTS_WEBHOOK_URL is not/],
  [{ ...mail, ALERTS_SMTP_URL: 'https://mail.example.com' }, /ALERTS_SMTP_URL must be such as/],
  [{ ...mail, ALERTS_SMTP_URL: 'smtp://u@mail.example.com' }, /both a user and a password/],
  [{ ...mail, ALERTS_SMTP_URL: 'smtp://u:%zz@mail.example.com' }, /write it as %25/],
  [{ ...mail, ALERTS_MAIL_FROM: 'Aether <a@example.com>' }, /ALERTS_MAIL_FROM must be one address/],
  [{ ...mail, ALERTS_MAIL_TO: 'b@example.com,\r\nBcc: c@example.com' }, /ALERTS_MAIL_TO must be/],
  [{ ...mail, ALERTS_MAIL_TO: '' }, /ALERTS_MAIL_TO must be/],
  [{ ALERTS_MAIL_TO: 'b@example.com' }, /ALERTS_SMTP_URL is not/],
] as [Record<string, string>, RegExp][])('%o is refused at start', (variables, words) => {
  expect(() => readAlertSettings(variables)).toThrow(words);
});
