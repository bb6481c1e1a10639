import { read } from '@aether/ui/request.ts';
import { addressBooks, phoneBooks } from './clients.ts';

/** The customer and version at which addresses and telephone numbers are changed. */
export type At = { customer: string; version: number };

const byId = (customer: string, version: number) => ({ param: { id: customer }, json: { expected_version: version } });

/** Each call gives the id of what was changed, and the version of the customer after the change. */
export const addressCalls = {
  add: ({ customer, version }: At, email: string) =>
    read(
      addressBooks[':id'].addresses.$post({ param: { id: customer }, json: { email, expected_version: version } }),
    ).then(ofAddress),
  makePrimary: ({ customer, version }: At, address: string) => {
    const { param, json } = byId(customer, version);
    return read(addressBooks[':id'].addresses[':address'].primary.$post({ param: { ...param, address }, json })).then(
      ofAddress,
    );
  },
  remove: ({ customer, version }: At, address: string) =>
    read(
      addressBooks[':id'].addresses[':address'].$delete({
        param: { id: customer, address },
        query: { expected_version: String(version) },
      }),
    ).then(ofAddress),
  restore: ({ customer, version }: At, address: string) => {
    const { param, json } = byId(customer, version);
    return read(addressBooks[':id'].addresses[':address'].restore.$post({ param: { ...param, address }, json })).then(
      ofAddress,
    );
  },
};

export const phoneCalls = {
  add: ({ customer, version }: At, phone: string) =>
    read(phoneBooks[':id'].phones.$post({ param: { id: customer }, json: { phone, expected_version: version } })).then(
      ofPhone,
    ),
  makePrimary: ({ customer, version }: At, phone: string) => {
    const { param, json } = byId(customer, version);
    return read(phoneBooks[':id'].phones[':phone'].primary.$post({ param: { ...param, phone }, json })).then(ofPhone);
  },
  remove: ({ customer, version }: At, phone: string) =>
    read(
      phoneBooks[':id'].phones[':phone'].$delete({
        param: { id: customer, phone },
        query: { expected_version: String(version) },
      }),
    ).then(ofPhone),
  restore: ({ customer, version }: At, phone: string) => {
    const { param, json } = byId(customer, version);
    return read(phoneBooks[':id'].phones[':phone'].restore.$post({ param: { ...param, phone }, json })).then(ofPhone);
  },
};

const ofAddress = ({ address_id: id, version }: { address_id: string; version: number }) => ({ id, version });
const ofPhone = ({ phone_id: id, version }: { phone_id: string; version: number }) => ({ id, version });
