import { useMemo, useRef, useState } from 'react';

/** What is chosen of a list. `all`: everything that matches, but for the keys. */
export type Chosen = { all: boolean; keys: ReadonlySet<string> };

export type Selection = Chosen & {
  /** How many are chosen, as far as the page knows it. */
  count: number | undefined;
  has: (key: string) => boolean;
  toggle: (key: string) => void;
  /** Chooses everything from the last toggled row to this one. */
  extend: (key: string) => void;
  /** Chooses all rows that are loaded, or none of them. */
  toggleLoaded: () => void;
  isWhole: boolean;
  chooseAll: () => void;
  clear: () => void;
};

const nothing: Chosen = { all: false, keys: new Set() };

/**
 * The rows of a list that a person has chosen. They stay chosen while more pages are loaded and while the list refreshes, and are forgotten
 * when it becomes another list.
 *
 * @param list names the list: its filters.
 * @param loaded the keys of the rows that are loaded, in their order.
 * @param total how many there are on the server, if it is known.
 */
export function useSelection(list: string, loaded: string[], total: number | undefined): Selection {
  const [state, setState] = useState({ list, chosen: nothing });
  const anchor = useRef<string | undefined>(undefined);
  const chosen = state.list === list ? state.chosen : nothing;
  return useMemo(() => {
    const set = (next: Chosen) => setState({ list, chosen: next });
    const { all, keys } = chosen;
    const has = (key: string) => keys.has(key) !== all;
    const choose = (some: string[], isChosen: boolean) => {
      const next = new Set(keys);
      for (const key of some)
        if (isChosen !== all) next.add(key);
        else next.delete(key);
      set({ all, keys: next });
    };
    const isWhole = loaded.length > 0 && loaded.every(has);
    return {
      ...chosen,
      count: all ? total && total - keys.size : keys.size,
      has,
      isWhole,
      toggle(key) {
        anchor.current = key;
        choose([key], !has(key));
      },
      extend(key) {
        const [from, to] = [loaded.indexOf(anchor.current ?? key), loaded.indexOf(key)];
        choose(from < 0 ? [key] : loaded.slice(Math.min(from, to), Math.max(from, to) + 1), true);
        if (from < 0) anchor.current = key;
      },
      toggleLoaded: () => (isWhole ? set(nothing) : choose(loaded, true)),
      chooseAll: () => set({ all: true, keys: new Set() }),
      clear: () => set(nothing),
    };
  }, [chosen, list, loaded, total]);
}
