import { type MoveCalls, MoveDialog } from '@aether/ui/MoveDialog.tsx';
import { useQueryClient } from '@tanstack/react-query';
import { refreshMoved } from '../api/moves.ts';
import { CustomerPicker } from './CustomerPicker.tsx';

type MoveRecordProps = { what: 'conversation' | 'call'; id: string; calls: MoveCalls; onClose: () => void };

/** Moves a conversation or a call of the wrong person to the right one. */
export function MoveRecord(props: MoveRecordProps) {
  const client = useQueryClient();
  return <MoveDialog {...props} CustomerPicker={CustomerPicker} onMoved={() => refreshMoved(client)} />;
}
