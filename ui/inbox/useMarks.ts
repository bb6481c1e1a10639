import { useQueryClient } from '@tanstack/react-query';
import { useRef, useState } from 'react';
import { markNotice, type Notice } from './calls.ts';

/** What the person has made of a notice: whether it was read, and whether it left the list that is shown. */
type Mark = { id: string; read_at?: string | null; isGone?: boolean };

/**
 * Shows what a person makes of notices before the server has confirmed it, whatever answers come meanwhile: one that was asked for earlier
 * would show the former state, and the next key would act on that. The server gets the changes one after the other, in the order of the keys.
 */
export function useMarks() {
  const client = useQueryClient();
  const [marks, setMarks] = useState<readonly Mark[]>([]);
  const sending = useRef(Promise.resolve<unknown>(undefined));

  const refresh = () => client.invalidateQueries({ queryKey: ['notices'] });

  /** Sends what comes after everything that was sent before it. */
  function inTurn<Answer>(work: () => Promise<Answer>): Promise<Answer> {
    const done = sending.current.then(work);
    sending.current = done.catch(() => {});
    return done;
  }

  /**
   * Shows the mark until the lists have been read again after the change. Resolves with the change.
   *
   * @throws Refusal, after the former state is shown again.
   */
  async function mark(own: Mark, change: Parameters<typeof markNotice>[1]): Promise<void> {
    setMarks((before) => [...before, own]);
    const forget = () => setMarks((before) => before.filter((each) => each !== own));
    try {
      await inTurn(() => markNotice(own.id, change));
    } catch (refusal) {
      forget();
      void refresh();
      throw refusal;
    }
    void refresh().finally(forget);
  }

  /** The notices of an answer as the person has left them. */
  const asMarked = (notices: Notice[]): Notice[] =>
    notices.flatMap((notice) => {
      const { isGone, ...marked }: Notice & Mark = Object.assign(
        { ...notice },
        ...marks.filter(({ id }) => id === notice.id),
      );
      return isGone ? [] : [marked];
    });

  return { mark, asMarked, inTurn, refresh };
}
