import { describeError } from '@aether/ui/refusal.ts';
import { read } from '@aether/ui/request.ts';
import { showDone } from '@aether/ui/toasts.tsx';
import { NumberInput, SegmentedControl, TextInput } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import { subscriptions } from '../api/clients.ts';
import { type Place, rewindQuery } from '../api/operations.ts';
import { ReasonDialog } from '../parts/ReasonDialog.tsx';
import { sayEvents } from '../parts/words.ts';

type RewindDialogProps = { name: string; isPaused: boolean; onClose: () => void; onDone: () => void };

const hourMs = 3_600_000;
/** As the input for a time writes it, in the time zone of the device. */
const toLocal = (time: Date) => new Date(time.getTime() - time.getTimezoneOffset() * 60_000).toISOString().slice(0, 16);

/** Moves a paused subscription back to a time or a position, and says before how many events of which app are handled again. */
export function RewindDialog({ name, isPaused, onClose, onDone }: RewindDialogProps) {
  const [by, setBy] = useState<'time' | 'position'>('time');
  const [time, setTime] = useState(() => toLocal(new Date(Date.now() - hourMs)));
  const [position, setPosition] = useState<number | string>(1);
  const since = new Date(time);
  const isPlace = by === 'time' ? !Number.isNaN(since.getTime()) : typeof position === 'number' && position >= 0;
  const place: Place =
    by === 'position' ? { from_position: String(position) } : isPlace ? { since: since.toISOString() } : {};
  const { data, error, isFetching } = useQuery({ ...rewindQuery(name, place), enabled: isPlace });
  const count = data && sayEvents(data.events, !data.is_whole);
  return (
    <ReasonDialog
      title={`Rewind ${name}`}
      verb={data ? `Handle ${count} again` : 'Handle them again'}
      isReady={isPaused && isPlace && data !== undefined && !isFetching && data.events > 0}
      act={(reason) =>
        read(
          subscriptions[':name'].replay.$post({
            param: { name },
            json: {
              ...(by === 'position' ? { from_position: Number(position) } : { since: since.toISOString() }),
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
        aria-label="Rewind to"
        fullWidth
        mb="sm"
        value={by}
        onChange={(next) => setBy(next as typeof by)}
        data={[
          { value: 'time', label: 'A time' },
          { value: 'position', label: 'A position' },
        ]}
      />
      {by === 'time' ? (
        <TextInput
          type="datetime-local"
          label="From the first event of this time on"
          value={time}
          onChange={({ currentTarget }) => setTime(currentTarget.value)}
        />
      ) : (
        <NumberInput
          label="From this position on"
          min={0}
          allowDecimal={false}
          value={position}
          onChange={setPosition}
        />
      )}
      <p role="status">
        {!isPaused && 'Pause it first: a subscription that runs is not moved.'}
        {isPaused && error && describeError(error)}
        {isPaused &&
          data &&
          (data.events === 0
            ? 'It has handled no event of its types from there on.'
            : `${data.app} gets ${count} again, of the positions ${data.from} to ${data.until}, marked as a replay.`)}
      </p>
    </ReasonDialog>
  );
}
