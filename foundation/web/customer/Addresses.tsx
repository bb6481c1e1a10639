import { isNoAddress, noAddressInFull } from '@aether/platform/noaddress';
import { formatDay, formatMoment } from '@aether/ui/formats.ts';
import { allowAddress } from '@aether/ui/mail/calls.ts';
import { mailTo } from '@aether/ui/reach.ts';
import { ForChanges } from '@aether/ui/reading.tsx';
import { Tag } from '@aether/ui/Tag.tsx';
import { showRefusal } from '@aether/ui/toasts.tsx';
import { Button } from '@mantine/core';
import { IconShieldCheck, IconUsers } from '@tabler/icons-react';
import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { addressCalls } from '../api/belongings.ts';
import { mailAddressesQuery } from '../api/mails.ts';
import type { Address, CustomerRecord, ReviewCandidate } from '../api/records.ts';
import { Belongings, describeOrigin } from './Belongings.tsx';
import classes from './customer.module.css';

/** Every address of a customer with its marks. */
export function Addresses({ record: { customer, addresses, candidates } }: { record: CustomerRecord }) {
  return (
    <Belongings
      customer={customer}
      title="Addresses"
      one="address"
      items={addresses}
      calls={addressCalls}
      describe={({ email }) => (isNoAddress(email) ? noAddressInFull : email)}
      reach={({ email }) => (isNoAddress(email) ? undefined : mailTo(email))}
      removed=". Another customer can have it now"
      mayRemove={({ is_primary }) => !is_primary}
      marks={(address) => <Marks address={address} customerId={customer.id} />}
      input={{ placeholder: 'name@example.com', inputMode: 'email' }}
    >
      {candidates.map((candidate) => (
        <Candidate key={candidate.id} candidate={candidate} customerId={customer.id} />
      ))}
    </Belongings>
  );
}

function Marks({ address, customerId }: { address: Address; customerId: string }) {
  const { email, is_primary, verified_at, added_at } = address;
  return (
    <>
      {is_primary && <Tag tone="accent">Primary</Tag>}
      {verified_at ? (
        <Tag tone="good">
          <IconShieldCheck size={13} aria-hidden /> Verified
        </Tag>
      ) : (
        !isNoAddress(email) && <Tag>Not verified</Tag>
      )}
      <Failing email={email} customerId={customerId} />
      <span title={`${verified_at ? `Verified ${formatMoment(verified_at)}. ` : ''}${describeOrigin(address)}`}>
        since {formatDay(verified_at ?? added_at)}
      </span>
    </>
  );
}

/** E-mail to this address did not arrive, and nothing is sent there until somebody allows it. */
function Failing({ email, customerId }: { email: string; customerId: string }) {
  const { data, refetch } = useQuery(mailAddressesQuery(customerId));
  const failing = data?.addresses.find((address) => address.email === email)?.failing;
  if (!failing) return null;
  const allow = async () => {
    await allowAddress(email).catch((error) => showRefusal('The address was not allowed', error));
    await refetch();
  };
  return (
    <>
      <Tag tone="bad">E-mail does not arrive</Tag>
      <ForChanges>
        <Button size="compact-xs" variant="default" onClick={allow}>
          Allow e-mail to {email} again
        </Button>
      </ForChanges>
    </>
  );
}

/** Another customer who may be the same person, and the reason. */
function Candidate({ candidate, customerId }: { candidate: ReviewCandidate; customerId: string }) {
  const { customer, evidence, since } = candidate;
  const address = String(evidence.address ?? 'an address');
  return (
    <p className={classes.candidate}>
      <IconUsers size={15} aria-hidden />
      <span>
        <Link to="/customers/$id" params={{ id: customer.id }}>
          {customer.name}
        </Link>{' '}
        may be the same person:{' '}
        {evidence.taken_from === customerId
          ? `${address}, which was an unverified address here, was proven to be theirs`
          : `${address}, which is proven here, was an unverified address there`}{' '}
        ({formatDay(since)}).
      </span>
    </p>
  );
}
