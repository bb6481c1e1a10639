import { Button } from '@mantine/core';
import { useMutation } from '@tanstack/react-query';
import { formatMoment } from './formats.ts';
import { showDone, showRefusal } from './toasts.tsx';

type MovedHereProps = {
  move: { from: { name: string | null }; actor: { name: string } | null; moved_at: string; reason: string | null };
  /** Undefined if this person may not take it back. */
  undo: (() => Promise<unknown>) | undefined;
};

const quiet = { color: 'var(--quiet)', fontSize: '0.8125rem' };

/** How a record came to this customer, and the way back. */
export function MovedHere({ move: { from, actor, moved_at, reason }, undo }: MovedHereProps) {
  return (
    <div style={quiet}>
      Moved here from {from.name ?? 'an erased customer'}, {formatMoment(moved_at)}
      {actor && `, by ${actor.name}`}
      {reason && `: ${reason}`} {undo && <MoveBack undo={undo} />}
    </div>
  );
}

/** Takes a move back. */
export function MoveBack({ undo }: { undo: () => Promise<unknown> }) {
  const undoing = useMutation({
    mutationFn: undo,
    onSuccess: () => showDone('It is back with its former customer.'),
    onError: (error) => showRefusal('It was not moved back', error),
  });
  return (
    <Button size="compact-xs" variant="subtle" loading={undoing.isPending} onClick={() => undoing.mutate()}>
      Move back
    </Button>
  );
}
