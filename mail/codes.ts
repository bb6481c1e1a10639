import { Problem, type ProblemCodes } from '@aether/http';

/** What an app that sends and takes e-mail refuses beyond what every server does. */
export const mailCodes: ProblemCodes = {
  401: ['signature-refused'],
  409: ['mail-off', 'mail-settled', 'address-fails'],
  503: ['mail-no-room', 'mail-not-ready'],
};

export const refuseSignature = (detail: string) => new Problem({ status: 401, code: 'signature-refused', detail });

export const refuseOff = () =>
  new Problem({
    status: 409,
    code: 'mail-off',
    detail: 'This installation sends no e-mail. Its operator sets MAIL_SMTP_URL and MAIL_FROM.',
  });

export const refuseSettled = (detail: string) => new Problem({ status: 409, code: 'mail-settled', detail });

export const refuseFailing = (address: string) =>
  new Problem({
    status: 409,
    code: 'address-fails',
    detail: `E-mail to ${address} did not arrive, so nothing is sent there. Allow the address again first, if you know that it works by now.`,
  });

export const refuseNoRoom = () =>
  new Problem({
    status: 503,
    code: 'mail-no-room',
    detail:
      'More mails came than the limits of an hour allow, and so many are held that there is no room. Send it again later.',
    headers: { 'Retry-After': '3600' },
  });

export const refuseUnready = (key: string) =>
  new Problem({
    status: 503,
    code: 'mail-not-ready',
    detail: `MAIL_OPENS_WIDGET names ${key}, and no active widget has this key. Correct it, or activate the widget; the mail is taken then.`,
    headers: { 'Retry-After': '600' },
  });
