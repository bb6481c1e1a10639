import { read } from '@aether/ui/request.ts';
import { addressBooks } from './clients.ts';

/** The customer and version at which addresses are changed. */
export type At = { customer: string; version: number };

export const addAddress = ({ customer, version }: At, email: string) =>
  read(addressBooks[':id'].addresses.$post({ param: { id: customer }, json: { email, expected_version: version } }));

export const makeAddressPrimary = ({ customer, version }: At, address: string) =>
  read(
    addressBooks[':id'].addresses[':address'].primary.$post({
      param: { id: customer, address },
      json: { expected_version: version },
    }),
  );

export const removeAddress = ({ customer, version }: At, address: string) =>
  read(
    addressBooks[':id'].addresses[':address'].$delete({
      param: { id: customer, address },
      query: { expected_version: String(version) },
    }),
  );

export const restoreAddress = ({ customer, version }: At, address: string) =>
  read(
    addressBooks[':id'].addresses[':address'].restore.$post({
      param: { id: customer, address },
      json: { expected_version: version },
    }),
  );
