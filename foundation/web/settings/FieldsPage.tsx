import { LastChanged } from '@aether/ui/changes/LastChanged.tsx';
import { PageHead } from '@aether/ui/Shell.tsx';
import { Tag } from '@aether/ui/Tag.tsx';
import { showRefusal } from '@aether/ui/toasts.tsx';
import { ActionIcon, Button } from '@mantine/core';
import { IconArrowDown, IconArrowUp, IconPencil, IconPlus, IconTrash } from '@tabler/icons-react';
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import type { CustomField, FieldRecord } from '../api/records.ts';
import { changeCustomField, customFieldsQuery } from '../api/settings.ts';
import { AdminOnly } from './AdminOnly.tsx';
import { FieldDialog } from './FieldDialog.tsx';
import { fieldTypes } from './fieldtypes.ts';
import { RemoveField } from './RemoveField.tsx';
import classes from './settings.module.css';

const records: { record: FieldRecord; title: string }[] = [
  { record: 'customer', title: 'Customers' },
  { record: 'company', title: 'Companies' },
  { record: 'deal', title: 'Deals' },
];

/** The organisation’s own fields of customers, companies and deals. */
export function FieldsPage() {
  return (
    <AdminOnly>
      <PageHead title="Custom fields" />
      <div className={classes.page}>
        <p className={classes.intro}>
          What your organisation wants to know beyond the fields that are there. The database itself checks every value,
          so imports and other programs cannot store a wrong one.
        </p>
        <LastChanged kind="custom_field" />
        {records.map(({ record, title }) => (
          <FieldsOf key={record} record={record} title={title} />
        ))}
      </div>
    </AdminOnly>
  );
}

function FieldsOf({ record, title }: { record: FieldRecord; title: string }) {
  const client = useQueryClient();
  const { data } = useQuery(customFieldsQuery(record));
  const [edited, setEdited] = useState<CustomField | 'new' | undefined>();
  const [removed, setRemoved] = useState<CustomField | undefined>();
  const fields = data?.custom_fields ?? [];
  const swap = useMutation({
    mutationFn: async ([one, other]: [CustomField, CustomField]) => {
      const order = fields.map(({ id }) => (id === one.id ? other.id : id === other.id ? one.id : id));
      for (const [position, id] of order.entries()) await changeCustomField(id, { position });
    },
    onSettled: () => client.invalidateQueries({ queryKey: ['custom-fields', record] }),
    onError: (error) => showRefusal('The order was not changed', error),
  });
  return (
    <section aria-label={title}>
      <h2 className={classes.title}>
        {title}
        <Button variant="subtle" leftSection={<IconPlus size={15} />} onClick={() => setEdited('new')}>
          New field
        </Button>
      </h2>
      {data && fields.length === 0 && (
        <p className={classes.intro}>None yet. A new field appears on every page of its kind at once, empty.</p>
      )}
      {fields.length > 0 && (
        <ul className={classes.list}>
          {fields.map((field, index) => (
            <li key={field.id} className={classes.row}>
              <span className={classes.name}>
                {field.label} <span className={classes.detail}>{field.key}</span>
              </span>
              {field.is_required && <Tag tone="warn">Required</Tag>}
              <Tag>{fieldTypes[field.type]}</Tag>
              <span>
                <Step
                  label={`Move ${field.label} up`}
                  other={fields[index - 1]}
                  onStep={(other) => swap.mutate([field, other])}
                >
                  <IconArrowUp size={15} />
                </Step>
                <Step
                  label={`Move ${field.label} down`}
                  other={fields[index + 1]}
                  onStep={(other) => swap.mutate([field, other])}
                >
                  <IconArrowDown size={15} />
                </Step>
                <ActionIcon aria-label={`Change ${field.label}`} onClick={() => setEdited(field)}>
                  <IconPencil size={15} />
                </ActionIcon>
                <ActionIcon aria-label={`Remove ${field.label}`} onClick={() => setRemoved(field)}>
                  <IconTrash size={15} />
                </ActionIcon>
              </span>
            </li>
          ))}
        </ul>
      )}
      {edited && (
        <FieldDialog
          record={record}
          field={edited === 'new' ? undefined : edited}
          onClose={() => setEdited(undefined)}
        />
      )}
      {removed && <RemoveField field={removed} onClose={() => setRemoved(undefined)} />}
    </section>
  );
}

type StepProps = {
  label: string;
  other: CustomField | undefined;
  onStep: (other: CustomField) => void;
  children: React.ReactNode;
};

function Step({ label, other, onStep, children }: StepProps) {
  return (
    <ActionIcon aria-label={label} disabled={!other} onClick={() => other && onStep(other)}>
      {children}
    </ActionIcon>
  );
}
