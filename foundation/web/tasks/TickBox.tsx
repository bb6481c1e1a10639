import { formatDay } from '@aether/ui/formats.ts';
import { readerWords, useMayChange } from '@aether/ui/reading.tsx';
import { showRefusal, showUndo } from '@aether/ui/toasts.tsx';
import { Checkbox, type CheckboxProps } from '@mantine/core';
import { useMutation, useQueryClient } from '@tanstack/react-query';
import { useEffect, useState } from 'react';
import { changeActivity } from '../api/timeline.ts';

type TickBoxProps = CheckboxProps & { id: string; isDone: boolean };

/** The box of a task. It is ticked at once, and unticked again if the server refuses. Ticking can be undone. */
export function TickBox({ id, isDone, ...props }: TickBoxProps) {
  const client = useQueryClient();
  const mayChange = useMayChange();
  const [isTicked, setTicked] = useState(isDone);
  useEffect(() => setTicked(isDone), [isDone]);
  const save = async (isDone: boolean) => {
    const changed = await changeActivity(id, { is_done: isDone });
    setTicked(isDone);
    void client.invalidateQueries({ queryKey: ['tasks'] });
    return changed;
  };
  const tick = useMutation({
    mutationFn: save,
    onSuccess: ({ next: again }, next) =>
      showUndo({
        message: again
          ? `The task is done, and due again on ${formatDay(again.due_at)}.`
          : next
            ? 'The task is done.'
            : 'The task is open again.',
        undo: async () => void (await save(!next)),
      }),
    onError(error, next) {
      setTicked(!next);
      showRefusal('The task was not changed', error);
    },
  });
  const change = (next: boolean) => {
    setTicked(next);
    tick.mutate(next);
  };
  return (
    <Checkbox
      {...props}
      disabled={!mayChange}
      title={mayChange ? undefined : readerWords}
      checked={isTicked}
      onChange={(event) => change(event.currentTarget.checked)}
    />
  );
}
