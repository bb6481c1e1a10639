/** Lets so many in at once; the others wait in their order. */
export type Gate = <Value>(work: () => Promise<Value>) => Promise<Value>;

export function createGate(max: number): Gate {
  let inside = 0;
  const waiting: (() => void)[] = [];
  return async (work) => {
    // Whoever leaves hands its place over, so that nobody overtakes.
    if (inside >= max) await new Promise<void>((enter) => waiting.push(enter));
    else inside++;
    try {
      return await work();
    } finally {
      const enter = waiting.shift();
      if (enter) enter();
      else inside--;
    }
  };
}
