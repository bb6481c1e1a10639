import { NativeSelect } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { useState } from 'react';
import { type Field, whyQuery } from '../api/operations.ts';
import { When } from '../times/When.tsx';
import { Effects } from './Effects.tsx';
import { sayValue } from './words.ts';

const fields: { value: Field | ''; label: string }[] = [
  { value: '', label: 'Choose a field' },
  { value: 'account_tier', label: 'Tier' },
  { value: 'name', label: 'Name' },
  { value: 'email', label: 'E-mail' },
  { value: 'phone', label: 'Phone' },
  { value: 'company_id', label: 'Company' },
  { value: 'account_manager_id', label: 'Manager' },
  { value: 'preferred_language', label: 'Language' },
  { value: 'timezone', label: 'Time zone' },
];

/** Why a field of a customer shows what it shows: from the value to the change, its author, and what each subscriber made of it. */
export function Why({ customer }: { customer: string }) {
  const [field, setField] = useState<Field | ''>('');
  return (
    <section aria-label="Why a field shows what it shows">
      <NativeSelect
        label="Why does it show that?"
        size="xs"
        maw={260}
        mb="sm"
        data={fields}
        value={field}
        onChange={({ currentTarget }) => setField(currentTarget.value as Field | '')}
      />
      {field !== '' && <Answer customer={customer} field={field} />}
    </section>
  );
}

function Answer({ customer, field }: { customer: string; field: Field }) {
  const { data } = useQuery(whyQuery(customer, field));
  if (!data) return null;
  const { event } = data;
  return (
    <>
      <p role="status">
        It shows <b>{sayValue(data.value)}</b>.{' '}
        {event === null ? (
          'The log has no event that set it: the change is older than the log.'
        ) : (
          <>
            {event.actor_name ?? event.actor ?? event.login} set it in {event.app}, <When at={event.occurred_at} />:{' '}
            <Link to="/events/$position" params={{ position: String(event.position) }}>
              event {event.position}
            </Link>
            .
          </>
        )}
      </p>
      {event && <Effects event={event} effects={data.effects} />}
    </>
  );
}
