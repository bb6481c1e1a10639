import type { MoveCalls } from '@aether/ui/MoveDialog.tsx';
import { read } from '@aether/ui/request.ts';
import { movedActivities } from './clients.ts';

/** The moves of one activity to another customer. */
export function movesOfActivity(id: string): MoveCalls {
  const { moves } = movedActivities[':id'];
  return {
    preview: (customer_id, signal) =>
      read(moves.preview.$get({ param: { id }, query: { customer_id } }, { init: { signal } })),
    move: (json) => read(moves.$post({ param: { id }, json })),
    undo: (move) => read(moves[':move'].undo.$post({ param: { id, move }, json: {} })),
  };
}
