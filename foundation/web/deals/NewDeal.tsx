import { decimalsOf } from '@aether/ui/formats.ts';
import { Group, NumberInput, Select, TextInput } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import { createDeal } from '../api/deals.ts';
import { pipelinesQuery } from '../api/pipelines.ts';
import type { NewDeal as Input } from '../api/records.ts';
import { NewRecord } from '../inputs/NewRecord.tsx';
import { CustomerPicker, PersonPicker } from '../inputs/Picker.tsx';
import { useMe } from '../shell/person.ts';
import { useCurrencies } from './currencies.ts';

type Values = Partial<Input>;
type NewDealProps = { customer?: { id: string; name: string }; pipelineId?: number; onClose: () => void };

/** The dialog for a new deal. */
export function NewDeal({ customer, pipelineId, onClose }: NewDealProps) {
  const me = useMe();
  const currencies = useCurrencies();
  const { data: pipelines } = useQuery(pipelinesQuery);
  const [clientId] = useState(() => crypto.randomUUID());
  const [values, setValues] = useState<Values>({ customer_id: customer?.id, owner_id: me.id });
  const change = (part: Values) => setValues({ ...values, ...part });
  const pipeline =
    pipelines?.pipelines.find(({ id }) => id === (values.pipeline_id ?? pipelineId)) ?? pipelines?.pipelines[0];
  const stages = pipeline?.stages.filter(({ outcome }) => outcome === 'open') ?? [];
  const save = () => createDeal({ ...values, stage_id: values.stage_id ?? stages[0]?.id, client_id: clientId });
  return (
    <NewRecord
      record="deal"
      values={values}
      onChange={change}
      save={save}
      stale={['board', 'deals', 'customer']}
      onSaved={onClose}
      onClose={onClose}
    >
      {(errors) => (
        <>
          <CustomerPicker
            label="Customer"
            withAsterisk
            text={customer?.name}
            disabled={customer !== undefined}
            value={values.customer_id ?? null}
            error={errors.customer_id}
            onChange={(id) => change({ customer_id: id ?? undefined })}
          />
          <Group grow align="start">
            <NumberInput
              label="Amount"
              min={0}
              decimalScale={decimalsOf(values.currency ?? 'EUR')}
              thousandSeparator
              value={values.amount ?? ''}
              error={errors.amount}
              onChange={(amount) => change({ amount: amount === '' ? undefined : Number(amount) })}
            />
            <Select
              label="Currency"
              searchable
              allowDeselect={false}
              data={currencies}
              value={values.currency ?? 'EUR'}
              error={errors.currency}
              onChange={(currency) => change({ currency: currency ?? 'EUR' })}
            />
          </Group>
          <Group grow align="start">
            <Select
              label="Pipeline"
              allowDeselect={false}
              data={pipelines?.pipelines.map(({ id, name }) => ({ value: String(id), label: name })) ?? []}
              value={pipeline ? String(pipeline.id) : null}
              onChange={(id) => change({ pipeline_id: Number(id), stage_id: undefined })}
            />
            <Select
              label="Stage"
              allowDeselect={false}
              data={stages.map(({ id, name }) => ({ value: String(id), label: name }))}
              value={String(values.stage_id ?? stages[0]?.id ?? '')}
              error={errors.stage_id}
              onChange={(id) => change({ stage_id: Number(id) })}
            />
          </Group>
          <Group grow align="start">
            <PersonPicker
              label="Owner"
              value={values.owner_id ?? null}
              error={errors.owner_id}
              onChange={(owner_id) => change({ owner_id: owner_id ?? undefined })}
            />
            <TextInput
              label="Expected close"
              type="date"
              value={values.expected_close_on ?? ''}
              error={errors.expected_close_on}
              onChange={(event) => change({ expected_close_on: event.currentTarget.value || undefined })}
            />
          </Group>
        </>
      )}
    </NewRecord>
  );
}
