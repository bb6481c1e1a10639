import { decimalsOf } from '@aether/ui/formats.ts';
import { Picker } from '@aether/ui/Picker.tsx';
import { useDraft } from '@aether/ui/useDraft.ts';
import { Group, NumberInput, TextInput } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { createDeal } from '../api/deals.ts';
import { pipelinesQuery } from '../api/pipelines.ts';
import type { NewDeal as Input } from '../api/records.ts';
import { NewRecord } from '../inputs/NewRecord.tsx';
import { CustomerPicker, PersonPicker } from '../inputs/Picker.tsx';
import { useMe } from '../shell/person.ts';
import { useCurrencies } from './currencies.ts';

/** `customer_name` is that of the chosen customer. */
type Values = Partial<Input> & { customer_name?: string };
type NewDealProps = { customer?: { id: string; name: string }; pipelineId?: number; onClose: () => void };

/** The dialog for a new deal. */
export function NewDeal({ customer, pipelineId, onClose }: NewDealProps) {
  const me = useMe();
  const currencies = useCurrencies();
  const { data: pipelines } = useQuery(pipelinesQuery);
  const draft = useDraft<Values>(customer ? `new-deal:${customer.id}` : 'new-deal', {
    customer_id: customer?.id,
    customer_name: customer?.name,
    owner_id: me.id,
  });
  const { value: values, change } = draft;
  const pipeline =
    pipelines?.pipelines.find(({ id }) => id === (values.pipeline_id ?? pipelineId)) ?? pipelines?.pipelines[0];
  const stages = pipeline?.stages.filter(({ outcome }) => outcome === 'open') ?? [];
  const { customer_name, ...input } = values;
  const save = () => createDeal({ ...input, stage_id: values.stage_id ?? stages[0]?.id, client_id: draft.id });
  return (
    <NewRecord
      record="deal"
      draft={draft}
      required={{ customer_id: 'Choose the customer.' }}
      save={save}
      stale={['board', 'deals', 'customer']}
      onSaved={onClose}
      onClose={onClose}
    >
      {(errors) => (
        <>
          <CustomerPicker
            label="Customer"
            name="customer_id"
            withAsterisk
            text={customer_name}
            disabled={customer !== undefined}
            value={values.customer_id ?? null}
            error={errors.customer_id}
            onChange={(id, choice) => change({ customer_id: id ?? undefined, customer_name: choice?.label })}
          />
          <Group grow align="start">
            <NumberInput
              label="Amount"
              name="amount"
              min={0}
              decimalScale={decimalsOf(values.currency ?? 'EUR')}
              thousandSeparator
              value={values.amount ?? ''}
              error={errors.amount}
              onChange={(amount) => change({ amount: amount === '' ? undefined : Number(amount) })}
            />
            <Picker
              label="Currency"
              name="currency"
              data={currencies}
              value={values.currency ?? 'EUR'}
              error={errors.currency}
              onChange={(currency) => change({ currency: currency ?? 'EUR' })}
            />
          </Group>
          <Group grow align="start">
            <Picker
              label="Pipeline"
              name="pipeline_id"
              data={pipelines?.pipelines.map(({ id, name }) => ({ value: String(id), label: name })) ?? []}
              value={pipeline ? String(pipeline.id) : null}
              onChange={(id) => change({ pipeline_id: Number(id), stage_id: undefined })}
            />
            <Picker
              label="Stage"
              name="stage_id"
              data={stages.map(({ id, name }) => ({ value: String(id), label: name }))}
              value={String(values.stage_id ?? stages[0]?.id ?? '')}
              error={errors.stage_id}
              onChange={(id) => change({ stage_id: Number(id) })}
            />
          </Group>
          <Group grow preventGrowOverflow={false} align="start">
            <PersonPicker
              label="Owner"
              name="owner_id"
              value={values.owner_id ?? null}
              error={errors.owner_id}
              onChange={(owner_id) => change({ owner_id: owner_id ?? undefined })}
            />
            <TextInput
              label="Expected close"
              name="expected_close_on"
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
