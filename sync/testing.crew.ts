import { type ChildProcess, spawn } from 'node:child_process';

/** Processes that are started again, however often they are killed. */
export type Crew = {
  keep(name: string, script: string, args: string[], env: Record<string, string>): void;
  /** Kills one of those whose name begins so. */
  kill(kind: string, chance: () => number): void;
  /** Kills all, for good. */
  end(): void;
};

const againAfterMs = 100;
/** For whoever wants to know what they say. */
const isTold = Boolean(process.env.AETHER_CHAOS_OUTPUT);

export function startCrew(): Crew {
  const children = new Map<string, ChildProcess>();
  let isOver = false;
  const keep: Crew['keep'] = (name, script, args, env) => {
    const child = spawn(process.execPath, [script, ...args], {
      env: { ...process.env, LOG_LEVEL: isTold ? 'info' : 'silent', ...env },
      stdio: isTold ? 'inherit' : 'ignore',
    });
    children.set(name, child);
    child.once('exit', () => {
      if (!isOver) setTimeout(() => isOver || keep(name, script, args, env), againAfterMs);
    });
  };
  return {
    keep,
    kill(kind, chance) {
      const names = [...children.keys()].filter((name) => name.startsWith(kind));
      children.get(pick(names, chance))?.kill('SIGKILL');
    },
    end() {
      isOver = true;
      for (const child of children.values()) child.kill('SIGKILL');
    },
  };
}

export const pick = <Value>(of: Value[], chance: () => number): Value => of[Math.floor(chance() * of.length)] as Value;

/** A small random generator that a seed repeats (mulberry32). */
export function chanceOf(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  };
}
