import { TextInput } from '@mantine/core';
import { useNavigate } from '@tanstack/react-router';
import { useState } from 'react';
import { createCompany } from '../api/companies.ts';
import type { CompanyInput } from '../api/records.ts';
import { NewRecord } from '../inputs/NewRecord.tsx';

/** The dialog for a new company. After saving it opens the company's page. */
export function NewCompany({ onClose }: { onClose: () => void }) {
  const navigate = useNavigate();
  const [values, setValues] = useState<CompanyInput>({});
  const change = (part: CompanyInput) => setValues({ ...values, ...part });
  return (
    <NewRecord
      record="company"
      values={values}
      onChange={change}
      save={() => createCompany({ ...values, name: values.name ?? '' })}
      stale={['companies']}
      onSaved={({ id }) => void navigate({ to: '/companies/$id', params: { id } })}
      onClose={onClose}
    >
      {(errors) => (
        <TextInput
          label="Domain"
          placeholder="example.com"
          value={values.domain ?? ''}
          error={errors.domain}
          onChange={(event) => change({ domain: event.currentTarget.value || null })}
        />
      )}
    </NewRecord>
  );
}
