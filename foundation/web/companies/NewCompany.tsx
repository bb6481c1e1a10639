import { useDraft } from '@aether/ui/useDraft.ts';
import { Text, TextInput } from '@mantine/core';
import { useDebouncedValue } from '@mantine/hooks';
import { useQuery } from '@tanstack/react-query';
import { useNavigate } from '@tanstack/react-router';
import { Fragment } from 'react';
import { createCompany, similarCompaniesQuery } from '../api/companies.ts';
import type { CompanyInput } from '../api/records.ts';
import { NewRecord } from '../inputs/NewRecord.tsx';
import { PersonPicker } from '../inputs/Picker.tsx';
import { useMe } from '../shell/person.ts';

/** So long nobody types before it is asked. */
const pauseMs = 400;

/** Companies that may be the same, each with the reason and a link that opens beside the form. A hint keeps nobody from saving. */
function SimilarCompanies({ name = '', domain }: CompanyInput) {
  const typed = { name: name.trim() || undefined, domain: domain?.trim() || undefined };
  const [asked] = useDebouncedValue(JSON.stringify(typed), pauseMs);
  const isAsked = asked !== '{}' && JSON.stringify(typed) !== '{}';
  const { data } = useQuery({ ...similarCompaniesQuery(JSON.parse(asked)), enabled: isAsked });
  const found = isAsked ? (data?.similar ?? []) : [];
  return (
    <div role="status">
      {found.length > 0 && (
        <Text size="sm" style={{ overflowWrap: 'anywhere' }}>
          Maybe the same:{' '}
          {found.map(({ id, name, domain, reasons }, index) => (
            <Fragment key={id}>
              {index > 0 && ', '}
              <a href={`/companies/${id}`} target="_blank" rel="noreferrer" style={{ textDecoration: 'underline' }}>
                {name}
              </a>
              {domain && (reasons.includes('domain') ? ` (has the domain ${domain})` : ` (${domain})`)}
            </Fragment>
          ))}
        </Text>
      )}
    </div>
  );
}

/** The dialog for a new company. After saving it opens the company's page. */
export function NewCompany({ onClose }: { onClose: () => void }) {
  const me = useMe();
  const navigate = useNavigate();
  const draft = useDraft<CompanyInput>('new-company', { owner_id: me.id });
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
        <>
          <TextInput
            label="Domain"
            name="domain"
            placeholder="example.com"
            value={values.domain ?? ''}
            error={errors.domain}
            onChange={(event) => change({ domain: event.currentTarget.value || null })}
          />
          <SimilarCompanies name={values.name} domain={values.domain} />
          <PersonPicker
            label="Owner"
            name="owner_id"
            value={values.owner_id ?? null}
            error={errors.owner_id}
            onChange={(owner_id) => change({ owner_id })}
          />
        </>
      )}
    </NewRecord>
  );
}
