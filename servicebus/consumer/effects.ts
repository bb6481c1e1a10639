import type { Effect } from '../reports.ts';
import type { BusEvent } from '../wire.ts';

/** How many fit into a report. Under more load than that Sync Health sees the newest. */
const effectsMax = 500;

export type Effects = {
  add(event: BusEvent, state: Effect['state'], attempt: number): void;
  /** Those since the last call, the last word of each event. */
  take(): Effect[];
  /** The report that had them did not arrive. */
  giveBack(effects: Effect[]): void;
};

/** Collects what the consumer made of events of the platform, for its next report. */
export function collectEffects(): Effects {
  let kept = new Map<string, Effect>();
  return {
    add({ id, source, occurredAt }, state, attempt) {
      if (!source.startsWith('/aether/') || !/^\d{1,15}$/.test(id)) return;
      const now = Date.now();
      kept.delete(id);
      kept.set(id, {
        event: Number(id),
        state,
        attempt,
        at: new Date(now).toISOString(),
        lag_ms: now - occurredAt.getTime(),
      });
      if (kept.size > effectsMax) kept.delete(kept.keys().next().value as string);
    },
    take() {
      const taken = [...kept.values()];
      kept = new Map();
      return taken;
    },
    giveBack(effects) {
      const newer = kept;
      kept = new Map(effects.map((effect) => [String(effect.event), effect]));
      for (const [id, effect] of newer) kept.set(id, effect);
      for (const id of [...kept.keys()].slice(0, Math.max(0, kept.size - effectsMax))) kept.delete(id);
    },
  };
}
