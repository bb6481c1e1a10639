import { showAddress } from '@aether/platform/noaddress';
import { Dialog } from '@aether/ui/Dialog.tsx';
import { findMissing } from '@aether/ui/faults.ts';
import { MaybeTheSame } from '@aether/ui/MaybeTheSame.tsx';
import { Picker } from '@aether/ui/Picker.tsx';
import { Refusal } from '@aether/ui/refusal.ts';
import { showDone } from '@aether/ui/toasts.tsx';
import { useDraft } from '@aether/ui/useDraft.ts';
import { Group, NumberInput, Radio, SegmentedControl, Stack, Text, Textarea, TextInput } from '@mantine/core';
import { useDebouncedValue } from '@mantine/hooks';
import { useQuery, useQueryClient } from '@tanstack/react-query';
import { findSimilar, logCall, lookUp } from '../api/calls.ts';
import type { Call, CallOutcome, FoundBy } from '../api/records.ts';
import { toLocalInput } from '../desk/moments.ts';
import classes from './calls.module.css';
import { outcomeChoices } from './outcomes.ts';
import { guessCountry, listCountries, readTyped, type TypedNumber } from './phone.ts';
import { callPlace, useCallOutbox } from './sending.ts';

const countries = listCountries();
const foundWords: Record<FoundBy, string> = {
  'found-by-number': 'found by the number',
  'found-by-email': 'found by the address',
  created: 'a new customer',
  chosen: 'as you chose',
};

type Values = {
  direction: Call['direction'];
  country: string | null;
  number: string;
  email: string;
  name: string;
  outcome: CallOutcome | null;
  notes: string;
  chosen?: string;
  minutes: number | string;
  started_at: string;
};

/** A call of five minutes that has just ended. */
const begin = (number: string): Values => ({
  direction: 'inbound',
  country: guessCountry(navigator.languages),
  number,
  email: '',
  name: '',
  outcome: null,
  notes: '',
  minutes: 5,
  started_at: toLocalInput(new Date(Date.now() - 5 * 60_000)),
});

const isNothingTyped = ({ number, email, name, notes }: Values, initial: Values): boolean =>
  number === initial.number && [email, name, notes].every((text) => text.trim() === '');

const severalWords = 'Write one number. An extension is written as ext. 12.';

/** What is said below the number: how it is read, so that nobody logs a wrong one. */
function describeRead({ number, extension, namesSeveral }: TypedNumber): string {
  if (namesSeveral) return `This names several numbers. ${severalWords}`;
  if (!number) return 'As it is dialled, or with + and the country’s code';
  return extension === null ? `Read as ${number}` : `Read as ${number}, extension ${extension}`;
}

type LogCallDialogProps = { number?: string; onLogged?: (call: Call) => void; onClose: () => void };

/** Logs a call. While the agent types a number, its customer is looked up. */
export function LogCallDialog({ number: given = '', onLogged, onClose }: LogCallDialogProps) {
  const client = useQueryClient();
  const outbox = useCallOutbox(callPlace);
  const draft = useDraft<Values>(given ? `call-with:${given}` : 'new-call', begin(given), isNothingTyped);
  const { direction, country, number, email, name, outcome, notes, chosen, minutes, started_at } = draft.value;

  const read = readTyped(number, country);
  const [asked] = useDebouncedValue(
    [read.number ? number.trim() : '', read.country ?? '', email.trim()].join('\n'),
    200,
  );
  const [askedNumber = '', askedCountry = '', askedEmail = ''] = asked.split('\n');
  const lookup = useQuery({
    queryKey: ['call-lookup', askedNumber, askedCountry, askedEmail],
    enabled: askedNumber !== '',
    retry: false,
    queryFn: ({ signal }) =>
      lookUp({ number: askedNumber, country: askedCountry || undefined, email: askedEmail || undefined }, signal),
  });
  const known = askedNumber === '' ? undefined : lookup.data;
  const byNumber = known?.by_number ?? [];
  const byEmail = known?.by_email ?? undefined;
  const one = byNumber.find(({ id }) => id === byEmail?.id);
  // The address decides between customers with the same number. If it is another customer's, the agent does.
  const asksFor = one ? [] : [...byNumber, ...(byEmail ? [byEmail] : [])];
  const isAsked = asksFor.length > 1;
  const found = isAsked ? asksFor.find(({ id }) => id === chosen) : (one ?? asksFor[0]);
  const isNew = known !== undefined && byNumber.length === 0;
  /** The number decides whose call it is, and nobody has the typed address. */
  const isDropped = found !== undefined && !isAsked && !byEmail && /\S@\S+\.\S/.test(askedEmail);
  return (
    <Dialog
      title="Log a call"
      verb="Log call"
      size="lg"
      draft={draft}
      faults={findMissing(
        {
          ...draft.value,
          number: read.namesSeveral ? '' : number,
          duration_seconds: minutes,
          customer_id: isAsked ? found?.id : 'not asked',
        },
        {
          customer_id: 'Choose whose call it was.',
          number: read.namesSeveral ? severalWords : 'Write the number.',
          outcome: 'Choose how the call ended.',
          duration_seconds: 'Write how long it took.',
          started_at: 'Write when it began.',
        },
      )}
      save={async () => {
        const call = {
          direction,
          number: number.trim(),
          country: read.country ?? undefined,
          customer_id: isAsked ? found?.id : undefined,
          email: email.trim() || undefined,
          name: name.trim() || undefined,
          outcome: outcome as CallOutcome,
          notes: notes.trim() || undefined,
          started_at: new Date(started_at).toISOString(),
          duration_seconds: Math.round(Number(minutes) * 60),
        };
        try {
          return await logCall({ ...call, client_id: draft.id });
        } catch (error) {
          if (!(error instanceof Refusal) || error.code !== 'unreachable') throw error;
          outbox.send({ call, form: draft.value }, draft.id);
          return undefined;
        }
      }}
      onSaved={(logged) => {
        if (!logged) {
          onClose();
          showDone('No connection: the call waits under Calls until it is back.');
          return;
        }
        const { call, customer_was } = logged;
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
            onChange={(value) => draft.change({ direction: value as Call['direction'] })}
          />
          <div className={classes.pair}>
            <Picker
              label="Country"
              name="country"
              placeholder="By the prefix"
              clearable
              data={countries}
              value={read.country}
              error={errors.country}
              onChange={(next) => draft.change({ country: next })}
            />
            <TextInput
              type="tel"
              label="Number"
              name="number"
              withAsterisk
              data-autofocus
              autoComplete="off"
              value={number}
              error={errors.number}
              description={describeRead(read)}
              // Below the field, so that the two fields stay in a line.
              inputWrapperOrder={['label', 'input', 'description', 'error']}
              onChange={(event) => draft.change({ number: event.currentTarget.value })}
            />
          </div>
          <div role="status" className={classes.lookup} data-found={Boolean(found)}>
            {lookup.isFetching && 'Looking up…'}
            {!lookup.isFetching && found && !isAsked && `This is ${found.name}, ${showAddress(found.email)}.`}
            {!lookup.isFetching && one === undefined && isDropped && ' Nobody has the address below: it is not kept.'}
            {!lookup.isFetching &&
              isNew &&
              !found &&
              'Nobody has this number yet. With an address, the customer is found by it or made.'}
            {lookup.error instanceof Refusal && lookup.error.message}
          </div>
          {isAsked && (
            <Radio.Group
              label={
                byEmail
                  ? 'The number and the address are those of different customers. Whose call was it?'
                  : 'Several customers have this number. Whose call was it?'
              }
              name="customer_id"
              error={errors.customer_id}
              value={found?.id ?? ''}
              onChange={(id) => draft.change({ chosen: id })}
            >
              <Stack gap={6} my={6}>
                {asksFor.map(({ id, name: theirs, email: theirAddress }) => (
                  <Radio key={id} size="xs" value={id} label={`${theirs}, ${showAddress(theirAddress)}`} />
                ))}
              </Stack>
            </Radio.Group>
          )}
          <div className={classes.pair}>
            <TextInput
              type="email"
              label="Address"
              name="email"
              autoComplete="off"
              value={email}
              error={errors.email}
              onChange={(event) => draft.change({ email: event.currentTarget.value })}
            />
            {(isNew || name !== '') && (
              <TextInput
                label="Name"
                name="name"
                autoComplete="off"
                value={name}
                error={errors.name}
                onChange={(event) => draft.change({ name: event.currentTarget.value })}
              />
            )}
          </div>
          <MaybeTheSame
            // Only where the call would make a customer.
            draft={
              isNew && !found && (name.trim() !== '' || email.trim() !== '')
                ? {
                    ...(name.trim() && { name: name.trim() }),
                    ...(email.trim() && { email: email.trim() }),
                    number: askedNumber,
                    ...(askedCountry && { country: askedCountry }),
                  }
                : undefined
            }
            find={findSimilar}
            pathOf={(id) => `/customers/${id}`}
          />
          <Group grow preventGrowOverflow={false} align="flex-start">
            <Picker
              label="Outcome"
              name="outcome"
              withAsterisk
              data={outcomeChoices}
              value={outcome}
              error={errors.outcome}
              onChange={(value) => draft.change({ outcome: value as CallOutcome })}
            />
            <NumberInput
              label="Minutes"
              name="duration_seconds"
              min={0}
              max={1_440}
              decimalScale={1}
              value={minutes}
              error={errors.duration_seconds}
              onChange={(value) => draft.change({ minutes: value })}
            />
            <TextInput
              type="datetime-local"
              label="Began"
              name="started_at"
              value={started_at}
              error={errors.started_at}
              onChange={(event) => draft.change({ started_at: event.currentTarget.value })}
            />
          </Group>
          <Textarea
            label="Notes"
            name="notes"
            autosize
            minRows={3}
            maxRows={10}
            maxLength={4_000}
            value={notes}
            error={errors.notes}
            onChange={(event) => draft.change({ notes: event.currentTarget.value })}
          />
          <Text size="xs" c="dimmed">
            The call appears in the customer’s history here and, as one activity, in Foundation’s timeline.
          </Text>
        </>
      )}
    </Dialog>
  );
}
