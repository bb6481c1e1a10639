import { Problem, type ProblemCodes } from '@aether/http';

/** What an app that takes files refuses beyond what every server does. */
export const filesCodes: ProblemCodes = {
  409: ['file-incomplete', 'file-not-there'],
  413: ['file-too-large'],
  415: ['file-type-refused'],
  422: ['image-too-large', 'image-unreadable'],
  503: ['files-away', 'files-full'],
};

export const refuseType = (detail: string) => new Problem({ status: 415, code: 'file-type-refused', detail });

export const refuseSize = (bytesMax: number) =>
  new Problem({
    status: 413,
    code: 'file-too-large',
    detail: `A file may have at most ${Math.floor(bytesMax / 1_048_576)} MB. Send a smaller one.`,
  });

export const refuseIncomplete = () =>
  new Problem({
    status: 409,
    code: 'file-incomplete',
    detail: 'Parts of this file are missing. Send them, and complete it then.',
  });

export const refuseUnreadable = () =>
  new Problem({
    status: 422,
    code: 'image-unreadable',
    detail: 'This image is damaged: its bytes end early or are in disorder. Save it again and send that.',
  });

export const refuseFull = () =>
  new Problem({
    status: 503,
    code: 'files-full',
    detail: 'There is no room for files at present. The text can be sent without them.',
    headers: { 'Retry-After': '600' },
  });

export const refuseAway = () =>
  new Problem({
    status: 503,
    code: 'files-away',
    detail: 'The place where files are kept does not answer at present. Try it again later.',
    headers: { 'Retry-After': '60' },
  });
