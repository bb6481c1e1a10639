import { MaybeTheSame } from '@aether/ui/MaybeTheSame.tsx';
import { useDraft } from '@aether/ui/useDraft.ts';
import { TextInput } from '@mantine/core';
import { useNavigate } from '@tanstack/react-router';
import { type CustomerDraft, createCustomer, findSimilar } from '../api/customers.ts';
import type { CustomerInput } from '../api/records.ts';
import { ProposedCompany } from '../companies/ProposedCompany.tsx';
import { NewRecord } from '../inputs/NewRecord.tsx';
import { CompanyPicker, PersonPicker } from '../inputs/Picker.tsx';
import { TierInput } from '../inputs/TierInput.tsx';
import { useMe } from '../shell/person.ts';

/** `company_name` is that of the chosen company. */
type Values = CustomerInput & { company_name?: string };

/** What of it may tell who it is; undefined while that is nothing. A company says nothing alone. */
function toDraft({ name, email, phone, company_id }: Values): CustomerDraft | undefined {
  const draft = {
    ...(name?.trim() && { name: name.trim() }),
    ...(email?.trim() && { email: email.trim() }),
    ...(phone?.trim() && { phone: phone.trim() }),
  };
  return Object.keys(draft).length === 0 ? undefined : { ...draft, ...(company_id && { company_id }) };
}

/** The dialog for a new customer. After saving it opens the customer's page. */
export function NewCustomer({ onClose, companyId }: { onClose: () => void; companyId?: string }) {
  const me = useMe();
  const navigate = useNavigate();
  const draft = useDraft<Values>(companyId ? `new-customer:${companyId}` : 'new-customer', {
    account_manager_id: me.id,
    company_id: companyId,
  });
  const { value: values, change } = draft;
  const { company_name, ...input } = values;
  return (
    <NewRecord
      record="customer"
      draft={draft}
      required={{ email: 'Write an address, such as name@example.com.' }}
      save={() => createCustomer({ ...input, name: input.name ?? '', email: input.email ?? '' })}
      stale={['customers']}
      onSaved={({ id }) => void navigate({ to: '/customers/$id', params: { id } })}
      onClose={onClose}
    >
      {(errors) => (
        <>
          <TextInput
            label="E-mail"
            name="email"
            withAsterisk
            inputMode="email"
            value={values.email ?? ''}
            error={errors.email}
            onChange={(event) => change({ email: event.currentTarget.value })}
          />
          {!values.company_id && (
            <ProposedCompany
              email={values.email ?? ''}
              onChoose={({ id, name }) => change({ company_id: id, company_name: name })}
            />
          )}
          <TextInput
            label="Phone"
            name="phone"
            inputMode="tel"
            value={values.phone ?? ''}
            error={errors.phone}
            onChange={(event) => change({ phone: event.currentTarget.value || null })}
          />
          <MaybeTheSame draft={toDraft(values)} find={findSimilar} pathOf={(id) => `/customers/${id}`} />
          <CompanyPicker
            label="Company"
            name="company_id"
            text={company_name}
            value={values.company_id ?? null}
            error={errors.company_id}
            onChange={(company_id, choice) => change({ company_id, company_name: choice?.label })}
          />
          <TierInput
            label="Tier"
            name="account_tier"
            value={values.account_tier ?? null}
            error={errors.account_tier}
            onChange={(tier) => change({ account_tier: tier })}
          />
          <PersonPicker
            label="Account manager"
            name="account_manager_id"
            value={values.account_manager_id ?? null}
            error={errors.account_manager_id}
            onChange={(account_manager_id) => change({ account_manager_id })}
          />
        </>
      )}
    </NewRecord>
  );
}
