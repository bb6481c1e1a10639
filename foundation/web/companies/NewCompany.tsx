import { useDraft } from '@aether/ui/useDraft.ts';
import { TextInput } from '@mantine/core';
import { useNavigate } from '@tanstack/react-router';
import { createCompany } from '../api/companies.ts';
import type { CompanyInput } from '../api/records.ts';
import { NewRecord } from '../inputs/NewRecord.tsx';

/** The dialog for a new company. After saving it opens the company's page. */
export function NewCompany({ onClose }: { onClose: () => void }) {
  const navigate = useNavigate();
  const draft = useDraft<CompanyInput>('new-company', {});
  const { value: values, change } = draft;
  return (
    <NewRecord
      record="company"
      draft={draft}
      save={() => createCompany({ ...values, name: values.name ?? '' })}
      stale={['companies']}
      onSaved={({ id }) => void navigate({ to: '/companies/$id', params: { id } })}
      onClose={onClose}
    >
      {(errors) => (
        <TextInput
          label="Domain"
          name="domain"
          placeholder="example.com"
          value={values.domain ?? ''}
          error={errors.domain}
          onChange={(event) => change({ domain: event.currentTarget.value || null })}
        />
      )}
    </NewRecord>
  );
}
