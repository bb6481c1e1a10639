import { TextInput } from '@mantine/core';
import { useNavigate } from '@tanstack/react-router';
import { useState } from 'react';
import { createCustomer } from '../api/customers.ts';
import type { CustomerInput } from '../api/records.ts';
import { NewRecord } from '../inputs/NewRecord.tsx';
import { CompanyPicker, PersonPicker } from '../inputs/Picker.tsx';
import { TierInput } from '../inputs/TierInput.tsx';
import { useMe } from '../shell/person.ts';

/** The dialog for a new customer. After saving it opens the customer's page. */
export function NewCustomer({ onClose, companyId }: { onClose: () => void; companyId?: string }) {
  const me = useMe();
  const navigate = useNavigate();
  const [values, setValues] = useState<CustomerInput>({ account_manager_id: me.id, company_id: companyId });
  const change = (part: CustomerInput) => setValues({ ...values, ...part });
  return (
    <NewRecord
      record="customer"
      values={values}
      onChange={change}
      save={() => createCustomer({ ...values, name: values.name ?? '', email: values.email ?? '' })}
      stale={['customers']}
      onSaved={({ id }) => void navigate({ to: '/customers/$id', params: { id } })}
      onClose={onClose}
    >
      {(errors) => (
        <>
          <TextInput
            label="E-mail"
            withAsterisk
            inputMode="email"
            value={values.email ?? ''}
            error={errors.email}
            onChange={(event) => change({ email: event.currentTarget.value })}
          />
          <TextInput
            label="Phone"
            inputMode="tel"
            value={values.phone ?? ''}
            error={errors.phone}
            onChange={(event) => change({ phone: event.currentTarget.value || null })}
          />
          <CompanyPicker
            label="Company"
            value={values.company_id ?? null}
            error={errors.company_id}
            onChange={(company_id) => change({ company_id })}
          />
          <TierInput
            label="Tier"
            value={values.account_tier ?? null}
            error={errors.account_tier}
            onChange={(tier) => change({ account_tier: tier })}
          />
          <PersonPicker
            label="Account manager"
            value={values.account_manager_id ?? null}
            error={errors.account_manager_id}
            onChange={(account_manager_id) => change({ account_manager_id })}
          />
        </>
      )}
    </NewRecord>
  );
}
