import { showDone } from '@aether/ui/toasts.tsx';
import { TextInput } from '@mantine/core';
import { useQuery, useQueryClient } from '@tanstack/react-query';
import { useNavigate } from '@tanstack/react-router';
import { useState } from 'react';
import { createCustomer } from '../api/customers.ts';
import type { CustomerInput } from '../api/records.ts';
import { customFieldsQuery } from '../api/settings.ts';
import { CreateDialog } from '../inputs/CreateDialog.tsx';
import { CustomInputs } from '../inputs/CustomInputs.tsx';
import { CompanyPicker, PersonPicker } from '../inputs/Picker.tsx';
import { TierInput } from '../inputs/TierInput.tsx';
import { useMe } from '../shell/person.ts';

/** The dialog for a new customer; afterwards its page. */
export function NewCustomer({ onClose, companyId }: { onClose: () => void; companyId?: string }) {
  const me = useMe();
  const client = useQueryClient();
  const navigate = useNavigate();
  const { data } = useQuery(customFieldsQuery('customer'));
  const [values, setValues] = useState<CustomerInput>({ account_manager_id: me.id, company_id: companyId });
  const change = (part: CustomerInput) => setValues({ ...values, ...part });
  return (
    <CreateDialog
      title="New customer"
      verb="Create"
      save={() => createCustomer({ ...values, name: values.name ?? '', email: values.email ?? '' })}
      onSaved={(made) => {
        void client.invalidateQueries({ queryKey: ['customers'] });
        showDone(`${made.name} was created.`);
        void navigate({ to: '/customers/$id', params: { id: made.id } });
      }}
      onClose={onClose}
    >
      {(errors) => (
        <>
          <TextInput
            label="Name"
            withAsterisk
            data-autofocus
            value={values.name ?? ''}
            error={errors.name}
            onChange={(event) => change({ name: event.currentTarget.value })}
          />
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
            value={values.account_tier ?? ''}
            error={errors.account_tier}
            onChange={(tier) => change({ account_tier: tier || null })}
          />
          <PersonPicker
            label="Account manager"
            value={values.account_manager_id ?? null}
            error={errors.account_manager_id}
            onChange={(account_manager_id) => change({ account_manager_id })}
          />
          <CustomInputs
            fields={data?.custom_fields ?? []}
            values={values.custom ?? {}}
            errors={errors}
            onChange={(custom) => change({ custom })}
          />
        </>
      )}
    </CreateDialog>
  );
}
