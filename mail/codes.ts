import { Problem, type ProblemCodes } from '@aether/http';

/** What an app that sends and takes e-mail refuses beyond what every server does. */
export const mailCodes: ProblemCodes = {
  401: ['signature-refused'],
  409: ['mail-off', 'mail-settled', 'address-fails'],
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
