import { Dialog } from '@aether/ui/Dialog.tsx';
import { Refusal } from '@aether/ui/refusal.ts';
import { showDone } from '@aether/ui/toasts.tsx';
import { Group, NumberInput, Radio, SegmentedControl, Select, Stack, Text, Textarea, TextInput } from '@mantine/core';
import { useDebouncedValue } from '@mantine/hooks';
import { useQuery, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { logCall, lookUp } from '../api/calls.ts';
import type { Call, CallOutcome, FoundBy } from '../api/records.ts';
import { toLocalInput } from '../desk/moments.ts';
import classes from './calls.module.css';
import { outcomeChoices } from './outcomes.ts';
import { guessCountry, listCountries, readTyped } from './phone.ts';

const countries = listCountries();
const foundWords: Record<FoundBy, string> = {
  'found-by-number': 'found by the number',
  'found-by-email': 'found by the address',
  created: 'a new customer',
  chosen: 'as you chose',
};

type LogCallDialogProps = { number?: string; onLogged?: (call: Call) => void; onClose: () => void };

/** Logs a call. While the agent types a number, its customer is looked up. */
export function LogCallDialog({ number: given = '', onLogged, onClose }: LogCallDialogProps) {
  const client = useQueryClient();
  const [clientId] = useState(() => crypto.randomUUID());
  const [direction, setDirection] = useState<Call['direction']>('inbound');
  const [country, setCountry] = useState(() => guessCountry(navigator.languages));
  const [number, setNumber] = useState(given);
  const [email, setEmail] = useState('');
  const [name, setName] = useState('');
  const [outcome, setOutcome] = useState<CallOutcome | null>(null);
  const [notes, setNotes] = useState('');
  const [chosen, setChosen] = useState<string | undefined>();
  const [minutes, setMinutes] = useState<number | string>(5);
  const [startedAt, setStartedAt] = useState(() => toLocalInput(new Date(Date.now() - 5 * 60_000)));

  const read = readTyped(number, country);
  const [asked] = useDebouncedValue(`${read.number ?? ''} ${email.trim()}`, 200);
  const [askedNumber = '', askedEmail = ''] = asked.split(' ');
  const lookup = useQuery({
    queryKey: ['call-lookup', askedNumber, askedEmail],
    enabled: askedNumber !== '',
    retry: false,
    queryFn: ({ signal }) => lookUp({ number: askedNumber, email: askedEmail || undefined }, signal),
  });
  const known = askedNumber === '' ? undefined : lookup.data;
  const byNumber = known?.by_number ?? [];
  const found = byNumber.find(({ id }) => id === chosen) ?? byNumber[0] ?? known?.by_email;
  const isNew = known !== undefined && byNumber.length === 0;
  return (
    <Dialog
      title="Log a call"
      verb="Log call"
      size="lg"
      isReady={number.trim() !== '' && outcome !== null}
      save={() =>
        logCall({
          client_id: clientId,
          direction,
          number: number.trim(),
          country: read.country ?? undefined,
          customer_id: byNumber.length > 1 ? found?.id : undefined,
          email: email.trim() || undefined,
          name: name.trim() || undefined,
          outcome: outcome as CallOutcome,
          notes: notes.trim() || undefined,
          started_at: new Date(startedAt).toISOString(),
          duration_seconds: Math.round(Number(minutes) * 60),
        })
      }
      onSaved={({ call, customer_was }) => {
        for (const key of ['calls', 'context']) void client.invalidateQueries({ queryKey: [key] });
        onClose();
        onLogged?.(call);
        showDone(`The call with ${call.customer.name}, ${foundWords[customer_was]}, is in Foundation’s timeline.`);
      }}
      onClose={onClose}
    >
      {(errors) => (
        <>
          <SegmentedControl
            aria-label="Direction"
            data={[
              { value: 'inbound', label: 'They rang us' },
              { value: 'outbound', label: 'We rang them' },
            ]}
            value={direction}
            onChange={(value) => setDirection(value as Call['direction'])}
          />
          <div className={classes.pair}>
            <Select
              label="Country"
              placeholder="By the prefix"
              searchable
              clearable
              limit={50}
              data={countries}
              value={read.country}
              error={errors.country}
              onChange={setCountry}
            />
            <TextInput
              type="tel"
              label="Number"
              withAsterisk
              data-autofocus
              autoComplete="off"
              value={number}
              error={errors.number}
              description={
                read.number ? `Read as ${read.number}` : 'As it is dialled, or with + and the country’s code'
              }
              onChange={(event) => setNumber(event.currentTarget.value)}
            />
          </div>
          <div role="status" className={classes.lookup} data-found={Boolean(found)}>
            {lookup.isFetching && 'Looking up…'}
            {!lookup.isFetching && found && byNumber.length < 2 && `This is ${found.name}, ${found.email}.`}
            {!lookup.isFetching &&
              isNew &&
              !found &&
              'Nobody has this number yet. With an address, the customer is found by it or made.'}
            {lookup.error instanceof Refusal && lookup.error.message}
          </div>
          {byNumber.length > 1 && (
            <Radio.Group
              label="Several customers have this number. Which one is it?"
              value={found?.id ?? ''}
              onChange={setChosen}
            >
              <Stack gap={4} mt={6}>
                {byNumber.map(({ id, name: theirs, email: theirAddress }) => (
                  <Radio key={id} size="xs" value={id} label={`${theirs}, ${theirAddress}`} />
                ))}
              </Stack>
            </Radio.Group>
          )}
          {isNew && (
            <div className={classes.pair}>
              <TextInput
                type="email"
                label="Address"
                autoComplete="off"
                value={email}
                error={errors.email}
                onChange={(event) => setEmail(event.currentTarget.value)}
              />
              <TextInput
                label="Name"
                autoComplete="off"
                value={name}
                error={errors.name}
                onChange={(event) => setName(event.currentTarget.value)}
              />
            </div>
          )}
          <Group grow align="flex-start">
            <Select
              label="Outcome"
              withAsterisk
              allowDeselect={false}
              data={outcomeChoices}
              value={outcome}
              error={errors.outcome}
              onChange={(value) => setOutcome(value as CallOutcome)}
            />
            <NumberInput
              label="Minutes"
              min={0}
              max={1_440}
              decimalScale={1}
              value={minutes}
              error={errors.duration_seconds}
              onChange={setMinutes}
            />
            <TextInput
              type="datetime-local"
              label="Began"
              value={startedAt}
              error={errors.started_at}
              onChange={(event) => setStartedAt(event.currentTarget.value)}
            />
          </Group>
          <Textarea
            label="Notes"
            autosize
            minRows={3}
            maxRows={10}
            maxLength={4_000}
            value={notes}
            error={errors.notes}
            onChange={(event) => setNotes(event.currentTarget.value)}
          />
          <Text size="xs" c="dimmed">
            The call appears in the customer’s history here and, as one activity, in Foundation’s timeline.
          </Text>
        </>
      )}
    </Dialog>
  );
}
