import type { MoveCalls } from '@aether/ui/MoveDialog.tsx';
import { read } from '@aether/ui/request.ts';
import type { QueryClient } from '@tanstack/react-query';
import { movedCalls, movedSessions } from './clients.ts';

/** The moves of one conversation to another customer. */
export function movesOfSession(id: string): MoveCalls {
  const { moves } = movedSessions[':id'];
  return {
    preview: (customer_id, signal) =>
      read(moves.preview.$get({ param: { id }, query: { customer_id } }, { init: { signal } })),
    move: (json) => read(moves.$post({ param: { id }, json })),
    undo: (move) => read(moves[':move'].undo.$post({ param: { id, move }, json: {} })),
  };
}

/** The moves of one call to another customer. */
export function movesOfCall(id: string): MoveCalls {
  const { moves } = movedCalls[':id'];
  return {
    preview: (customer_id, signal) =>
      read(moves.preview.$get({ param: { id }, query: { customer_id } }, { init: { signal } })),
    move: (json) => read(moves.$post({ param: { id }, json })),
    undo: (move) => read(moves[':move'].undo.$post({ param: { id, move }, json: {} })),
  };
}

/** Shows at once what a move of one's own has changed. The other pages hear of it by its events. */
export function refreshMoved(client: QueryClient): void {
  for (const key of ['session', 'inbox', 'context', 'calls']) void client.invalidateQueries({ queryKey: [key] });
}
