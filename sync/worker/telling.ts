/** While a failure repeats, it is told once in so long. */
const repeatMs = 60_000;

/**
 * Tells the log what goes wrong in a part of the worker: a failure at once, and while the same one comes again, once a minute with how often it came
 * since. Several parts try twice a second, and a server that is full or away for a night would fill the disk of this machine, too.
 */
export function tellRarely(
  log: { error(about: object, message: string): void },
  part: string,
  now: () => number = () => performance.now(),
): (error: unknown) => void {
  const told = new Map<string, { at: number; untold: number }>();
  return (error) => {
    const words = error instanceof Error ? error.message : String(error);
    const last = told.get(words);
    if (last && now() - last.at < repeatMs) {
      last.untold++;
      return;
    }
    // Failures that name what failed, such as an import, are many.
    for (const [each, { at }] of told) if (now() - at >= repeatMs) told.delete(each);
    told.set(words, { at: now(), untold: 0 });
    log.error({ err: error, ...(last && last.untold > 0 && { again: last.untold }) }, part);
  };
}
