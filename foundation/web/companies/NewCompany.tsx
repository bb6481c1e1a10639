import { showDone } from '@aether/ui/toasts.tsx';
import { TextInput } from '@mantine/core';
import { useQuery, useQueryClient } from '@tanstack/react-query';
import { useNavigate } from '@tanstack/react-router';
import { useState } from 'react';
import { createCompany } from '../api/companies.ts';
import type { CompanyInput } from '../api/records.ts';
import { customFieldsQuery } from '../api/settings.ts';
import { CreateDialog } from '../inputs/CreateDialog.tsx';
import { CustomInputs } from '../inputs/CustomInputs.tsx';

/** The dialog for a new company; afterwards its page. */
export function NewCompany({ onClose }: { onClose: () => void }) {
  const client = useQueryClient();
  const navigate = useNavigate();
  const { data: fields } = useQuery(customFieldsQuery('company'));
  const [values, setValues] = useState<CompanyInput>({});
  const change = (part: CompanyInput) => setValues({ ...values, ...part });
  return (
    <CreateDialog
      title="New company"
      verb="Create"
      save={() => createCompany({ ...values, name: values.name ?? '' })}
      onSaved={(made) => {
        void client.invalidateQueries({ queryKey: ['companies'] });
        showDone(`${made.name} was created.`);
        void navigate({ to: '/companies/$id', params: { id: made.id } });
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
            label="Domain"
            placeholder="example.com"
            value={values.domain ?? ''}
            error={errors.domain}
            onChange={(event) => change({ domain: event.currentTarget.value || null })}
          />
          <CustomInputs
            fields={fields?.custom_fields ?? []}
            values={values.custom ?? {}}
            errors={errors}
            onChange={(custom) => change({ custom })}
          />
        </>
      )}
    </CreateDialog>
  );
}
