/** The action of a key or of a sequence of two keys. */
export type Binding = {
  /** `j`, `?`, `mod+k`, `g c`; `mod` is Ctrl, or ⌘. */
  keys: string;
  label: string;
  group: string;
  run: () => void;
};

export type Press = { key: string; ctrlKey: boolean; metaKey: boolean; altKey: boolean; isTyping: boolean };

/** The second key of `g c` must follow within this time. */
const sequenceMsMax = 1_200;

/**
 * All keys of an app in one place, so that no key is bound twice unnoticed and the sheet behind `?` is complete. Of two bindings of the
 * same keys the later one is active until it is removed.
 */
export function createRegistry(now: () => number = Date.now) {
  let bindings: Binding[] = [];
  let begun = { keys: '', at: 0 };
  const find = (keys: string) => bindings.findLast((binding) => binding.keys === keys);

  return {
    /** @returns a function that removes the bindings. */
    add(added: Binding[]): () => void {
      bindings = [...bindings, ...added];
      return () => {
        bindings = bindings.filter((binding) => !added.includes(binding));
      };
    },

    /** Runs the action of the key. @returns whether the key has one. */
    press(press: Press): boolean {
      const keys = nameKeys(press);
      if (press.altKey || (press.isTyping && !keys.startsWith('mod+'))) return false;
      const isContinued = begun.keys !== '' && now() - begun.at <= sequenceMsMax;
      const sequence = isContinued ? `${begun.keys} ${keys}` : keys;
      begun = { keys: '', at: 0 };
      const binding = find(sequence) ?? find(keys);
      if (binding) binding.run();
      else if (bindings.some((other) => other.keys.startsWith(`${keys} `))) begun = { keys, at: now() };
      return binding !== undefined;
    },

    /** The active bindings by group, in the order in which they were added. */
    list(): Map<string, Binding[]> {
      const holding = bindings.filter((binding) => find(binding.keys) === binding);
      return Map.groupBy(holding, ({ group }) => group);
    },
  };
}

function nameKeys({ key, ctrlKey, metaKey }: Press): string {
  const name = key === ' ' ? 'space' : key.toLowerCase();
  return ctrlKey || metaKey ? `mod+${name}` : name;
}
