import { type InfiniteData, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { markNotice, type Notice, type State } from './calls.ts';

/** What the person has made of a notice. */
type Mark = { id: string; read_at?: string | null; is_done?: boolean };
type Pages = InfiniteData<{ notices: Notice[]; next_cursor: string | null }>;

/** The changes that were sent last, also from a page that was left since: its undo is still offered. */
let sending: Promise<unknown> = Promise.resolve();

/** Sends what comes after everything that was sent before it. */
function inTurn<Answer>(work: () => Promise<Answer>): Promise<Answer> {
  const done = sending.then(work);
  sending = done.catch(() => {});
  return done;
}

/** The notices of a list as the person has left them: those that were put away are not in the open list, and the other way round. */
const applyMarks = (marks: readonly Mark[], notices: Notice[], state: State): Notice[] =>
  notices.flatMap((notice) => {
    const { is_done, ...marked }: Notice & Mark = Object.assign(
      { ...notice },
      ...marks.filter(({ id }) => id === notice.id),
    );
    return is_done === undefined || is_done === (state === 'done') ? [marked] : [];
  });

/**
 * Shows what a person makes of notices before the server has confirmed it, whatever answers come meanwhile: one that was asked for earlier
 * would show the former state, and the next key would act on that. The server gets the changes one after the other, in the order of the keys.
 */
export function useMarks() {
  const client = useQueryClient();
  const [marks, setMarks] = useState<readonly Mark[]>([]);

  const refresh = () => client.invalidateQueries({ queryKey: ['notices'] });

  /** Lists that are not shown are read again only when they are; until then they show what is known. */
  function keep(own: Mark): void {
    for (const state of ['open', 'done'] as const)
      client.setQueriesData<Pages>(
        { queryKey: ['notices', state] },
        (before) =>
          before && {
            ...before,
            pages: before.pages.map((page) => ({ ...page, notices: applyMarks([own], page.notices, state) })),
          },
      );
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
    keep(own);
    void refresh().finally(forget);
  }

  const asMarked = (notices: Notice[], state: State) => applyMarks(marks, notices, state);

  return { mark, asMarked, inTurn, refresh };
}
