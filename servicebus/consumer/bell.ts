/** Wakes a loop that waits. A ring while nobody waits is kept for the next wait. */
export type Bell = {
  ring(): void;
  /** Settles at a ring, after so long at the latest. */
  next(forMs: number): Promise<void>;
};

export function createBell(): Bell {
  let hasRung = false;
  let wake: (() => void) | undefined;
  return {
    ring() {
      hasRung = true;
      wake?.();
    },
    async next(forMs) {
      if (!hasRung)
        await new Promise<void>((settle) => {
          const timer = setTimeout(settle, forMs);
          wake = () => {
            clearTimeout(timer);
            settle();
          };
        });
      wake = undefined;
      hasRung = false;
    },
  };
}
