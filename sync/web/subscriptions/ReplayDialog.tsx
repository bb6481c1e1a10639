import { describeError } from '@aether/ui/refusal.ts';
import { read } from '@aether/ui/request.ts';
import { showDone } from '@aether/ui/toasts.tsx';
import { NumberInput, SegmentedControl, TextInput } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import { subscriptions } from '../api/clients.ts';
import { type Again, replayQuery } from '../api/operations.ts';
import { CustomerPicker } from '../customer/CustomerPicker.tsx';
import { ReasonDialog } from '../parts/ReasonDialog.tsx';
import { sayEvents } from '../parts/words.ts';
import type { SubscriptionSearch } from './search.ts';

type ReplayDialogProps = {
  name: string;
  isPaused: boolean;
  /** Whose events are chosen when the dialog opens. */
  asked: Pick<SubscriptionSearch, 'customer' | 'key'>;
  onClose: () => void;
  onDone: () => void;
};

const hourMs = 3_600_000;
/** As the input for a time writes it, in the time zone of the device. */
const toLocal = (time: Date) => new Date(time.getTime() - time.getTimezoneOffset() * 60_000).toISOString().slice(0, 16);

/**
 * Lets a paused subscription handle events again, and says before how many of which app: everything from a time or a position on, or the
 * events of one customer or of one row while the others go on.
 */
export function ReplayDialog({ name, isPaused, asked, onClose, onDone }: ReplayDialogProps) {
  const [by, setBy] = useState<'time' | 'position' | 'customer' | 'row'>(
    asked.customer ? 'customer' : asked.key ? 'row' : 'time',
  );
  const [time, setTime] = useState(() => toLocal(new Date(Date.now() - hourMs)));
  const [position, setPosition] = useState<number | string>(1);
  const [customer, setCustomer] = useState(asked.customer ?? null);
  const [key, setKey] = useState(asked.key ?? '');
  const since = new Date(time);
  const chosen: Record<typeof by, Again | undefined> = {
    time: Number.isNaN(since.getTime()) ? undefined : { since: since.toISOString() },
    position: typeof position === 'number' && position >= 0 ? { from_position: String(position) } : undefined,
    customer: customer ? { customer } : undefined,
    row: key.trim() === '' ? undefined : { key: key.trim() },
  };
  const again = chosen[by];
  const { data, error, isFetching } = useQuery({ ...replayQuery(name, again ?? {}), enabled: again !== undefined });
  const found = again && data;
  const count = found && sayEvents(found.events, !found.is_whole);
  return (
    <ReasonDialog
      title={`Replay to ${name}`}
      verb={found ? `Handle ${count} again` : 'Handle them again'}
      isReady={isPaused && found !== undefined && !isFetching && found.events > 0}
      act={(reason) =>
        read(
          subscriptions[':name'].replay.$post({
            param: { name },
            json: {
              ...again,
              ...(again?.from_position !== undefined && { from_position: Number(again.from_position) }),
              reason,
            } as never,
          }),
        )
      }
      onDone={({ events, is_whole: isWhole }) => {
        onDone();
        showDone(`${sayEvents(events, !isWhole)} will be handled again when ${name} is resumed.`);
      }}
      onClose={onClose}
    >
      <SegmentedControl
        aria-label="Which events"
        fullWidth
        mb="sm"
        value={by}
        onChange={(next) => setBy(next as typeof by)}
        data={[
          { value: 'time', label: 'Time' },
          { value: 'position', label: 'Position' },
          { value: 'customer', label: 'Customer' },
          { value: 'row', label: 'Row' },
        ]}
      />
      {by === 'time' && (
        <TextInput
          type="datetime-local"
          label="From the first event of this time on"
          value={time}
          onChange={({ currentTarget }) => setTime(currentTarget.value)}
        />
      )}
      {by === 'position' && (
        <NumberInput
          label="From this position on"
          min={0}
          allowDecimal={false}
          value={position}
          onChange={setPosition}
        />
      )}
      {by === 'customer' && (
        <CustomerPicker label="All events of this customer" value={customer} onChange={setCustomer} />
      )}
      {by === 'row' && (
        <TextInput
          label="All events with this key"
          value={key}
          onChange={({ currentTarget }) => setKey(currentTarget.value)}
        />
      )}
      <p role="status">
        {!isPaused && 'Pause it first: a subscription that runs is not moved.'}
        {isPaused && again && error && describeError(error)}
        {isPaused &&
          found &&
          (found.events === 0
            ? 'It has handled no such event of its types.'
            : `${found.app} gets ${count} again, of the positions ${found.from} to ${found.until}, in their order and marked as a replay.`)}
      </p>
    </ReasonDialog>
  );
}
