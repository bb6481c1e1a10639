import { showDone, showRefusal } from '@aether/ui/toasts.tsx';
import { useMutation, useQueryClient } from '@tanstack/react-query';
import { undoAct } from './queries.ts';

/** Takes an act back; every list that shows its pairs or customers is read again. */
export function useUndo() {
  const queries = useQueryClient();
  return useMutation({
    mutationFn: undoAct,
    onSuccess: () => showDone('Undone: the pair is as it was.'),
    onError: (error) => showRefusal('Nothing was undone', error),
    onSettled: () => {
      for (const key of ['duplicates', 'merges', 'customer']) void queries.invalidateQueries({ queryKey: [key] });
    },
  });
}
