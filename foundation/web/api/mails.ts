import { read } from '@aether/ui/request.ts';
import { queryOptions } from '@tanstack/react-query';
import { customerMails } from './clients.ts';
import type { NewMail } from './records.ts';

export const mailAddressesQuery = (id: string) =>
  queryOptions({
    queryKey: ['mail-addresses', id],
    queryFn: ({ signal }) => read(customerMails[':id']['mail-addresses'].$get({ param: { id } }, { init: { signal } })),
    staleTime: 30_000,
  });

export const writeMail = (id: string, json: NewMail) => read(customerMails[':id'].mails.$post({ param: { id }, json }));
