import { isNoAddress } from '@aether/platform/noaddress';
import { formatMoment } from '@aether/ui/formats.ts';
import { MergedFrom } from '@aether/ui/MergedFrom.tsx';
import { Text } from '@mantine/core';
import { useQuery, useQueryClient } from '@tanstack/react-query';
import { companyQuery } from '../api/companies.ts';
import { customerQuery } from '../api/customers.ts';
import type { Customer, CustomerRecord } from '../api/records.ts';
import { customFieldsQuery } from '../api/settings.ts';
import { type FieldSpec, flatten, nest, specifyCustom } from '../record/fields.ts';
import { nameApp } from '../record/Provenance.tsx';
import { RecordFields } from '../record/RecordFields.tsx';
import { useMe } from '../shell/person.ts';
import { Addresses } from './Addresses.tsx';
import { CustomerTags } from './CustomerTags.tsx';
import classes from './customer.module.css';
import { FormerAddressDialog } from './FormerAddressDialog.tsx';
import { Numbers } from './Numbers.tsx';
import { useFormerAddress } from './useFormerAddress.ts';

const ofSupport =
  'Support owns this field: its agents set it while they talk with the customer. Here it is only shown.';

const specs: FieldSpec[] = [
  { field: 'name', label: 'Name', kind: 'text', isRequired: true },
  { field: 'email', label: 'E-mail', kind: 'email', isRequired: true },
  { field: 'phone', label: 'Phone', kind: 'phone' },
  { field: 'company_id', label: 'Company', kind: 'company' },
  { field: 'account_tier', label: 'Tier', kind: 'tier' },
  { field: 'account_manager_id', label: 'Manager', kind: 'person' },
];
const lockedSpecs: FieldSpec[] = [
  { field: 'preferred_language', label: 'Language', kind: 'text', locked: ofSupport },
  { field: 'timezone', label: 'Time zone', kind: 'text', locked: ofSupport },
  { field: 'support_id', label: 'Support number', kind: 'text', locked: ofSupport },
  {
    field: 'crm_id',
    label: 'CRM number',
    kind: 'text',
    locked: 'Foundation gave this number when it took the customer on. It never changes.',
  },
];

/** The customer as the fields show it: a placeholder for a missing address is an empty field. */
const withAddress = (customer: Customer) => ({
  ...customer,
  email: isNoAddress(customer.email) ? null : customer.email,
});

/** A customer's fields: the shared ones, the organisation's own, and Support's fields, which are read-only here. */
export function CustomerFields({ record }: { record: CustomerRecord }) {
  const { customer, company, custom, provenance } = record;
  const client = useQueryClient();
  const { isSteward, apps } = useMe();
  const { data: fields } = useQuery(customFieldsQuery('customer'));
  const { question, save } = useFormerAddress(record);
  const customSpecs = specifyCustom(fields?.custom_fields ?? []);
  const common = {
    record: `customer:${customer.id}`,
    name: customer.name,
    values: flatten(withAddress(customer), custom),
    version: customer.version,
    provenance,
    names: company ? { [company.id]: company.name } : {},
    save: async (change: Parameters<typeof nest>[0], version: number, isUndo: boolean) => {
      const saved = await save(nest(change), version, isUndo);
      await client.invalidateQueries({ queryKey: ['customer', customer.id] });
      void client.invalidateQueries({ queryKey: ['customers'] });
      return saved;
    },
    reload: async () => {
      const now = await client.fetchQuery({ ...customerQuery(customer.id), staleTime: 0 });
      if (now.customer.company_id) await client.ensureQueryData(companyQuery(now.customer.company_id));
      return { values: flatten(withAddress(now.customer), now.custom), version: now.customer.version };
    },
  };
  return (
    <>
      <div className={classes.section}>
        <div className={classes.sectionHead}>
          <h2 className={classes.sectionTitle}>Customer</h2>
        </div>
        <RecordFields {...common} specs={specs} />
      </div>
      <CustomerTags key={`tags ${customer.id}`} record={record} />
      <Numbers key={`numbers ${customer.id}`} record={record} />
      <Addresses key={`addresses ${customer.id}`} record={record} />
      {customSpecs.length > 0 && (
        <div className={classes.section}>
          <div className={classes.sectionHead}>
            <h2 className={classes.sectionTitle}>Custom fields</h2>
          </div>
          <RecordFields {...common} specs={customSpecs} />
        </div>
      )}
      <div className={classes.section}>
        <div className={classes.sectionHead}>
          <h2 className={classes.sectionTitle}>From the apps</h2>
        </div>
        <RecordFields {...common} specs={lockedSpecs} />
      </div>
      {apps.support && (
        <Text size="sm">
          <a href={`${apps.support}/customers/${customer.id}`}>Conversations and calls in Support</a>
        </Text>
      )}
      <MergedFrom merges={record.merged_from} consoleUrl={isSteward ? apps.console : undefined} />
      <Text size="xs" c="dimmed">
        Created in {nameApp(customer.created_by_app)}, {formatMoment(customer.created_at)}. Last changed{' '}
        {formatMoment(customer.updated_at)}.
      </Text>
      {question && (
        <FormerAddressDialog
          name={customer.name}
          former={question.former}
          next={question.next}
          onChoose={question.answer}
          onCancel={() => question.answer(undefined)}
        />
      )}
    </>
  );
}
