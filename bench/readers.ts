import type { ChildProcess } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { LocalServer } from '@aether/database';
import pg from 'pg';
import { measureComputing } from './computing.ts';
import { median } from './measure.ts';

/*
 * How fast one process and two drain the same backlog of one subscription with shares: each customer belongs to one share, and each process
 * works half of them. Beside it one process without shares, which is what a subscription has by default.
 */

/** Of the processor, for each event. */
const computesForUs = 20;

/** What the handler does with each event, and of how many events. */
const works = {
  nothing: { words: 'does nothing', events: 200_000 },
  computes: { words: `computes for ${computesForUs} µs`, events: 60_000 },
  waits: { words: 'waits 1 ms for a statement', events: 3_000 },
};
const shares = 4;
const batchMax = 500;
const warmUp = 40_000;

export type Readers = { work: string; alone: number; one: number; two: number; ratio: number };

/**
 * Drains the newest events of the log again and again; they are changes of customers.
 *
 * @param start starts a subscriber that waits for a message before it subscribes.
 */
export async function measureReaders(
  server: LocalServer,
  start: (script: string, args: string[], url: string) => Promise<ChildProcess>,
  { rounds, events: eventsMax }: { rounds: number; events: number },
): Promise<Readers[]> {
  const support = new pg.Client({ connectionString: server.urlOf('support_app') });
  await support.connect();
  let subscriptions = 0;
  // Once for all, and not in each process: those that begin at the same time would find that less fits in.
  const times = Math.round(computesForUs / measureComputing());

  /** @returns events a second */
  async function drain(work: keyof typeof works, processes: number, ofShares: number): Promise<number> {
    const events = Math.min(works[work].events, eventsMax);
    const args = ['drain', '', String(batchMax), work, String(ofShares), String(work === 'computes' ? times : 0)];
    const url = server.urlOf('support_app');
    const script = fileURLToPath(new URL('./subscriber.ts', import.meta.url));
    const crew = await Promise.all(Array.from({ length: processes }, () => start(script, args, url)));
    // The first backlog compiles the code, once in each process; the second one is measured.
    await drainBy(crew, ofShares, Math.min(events, warmUp));
    const perSecond = await drainBy(crew, ofShares, events);
    for (const child of crew) child.kill('SIGKILL');
    return perSecond;
  }

  async function drainBy(crew: ChildProcess[], ofShares: number, events: number): Promise<number> {
    const name = `support.readers-${++subscriptions}`;
    const { rows } = await support.query(
      `insert into sync.subscriptions (name, types, position) values ($1, '{customer.updated}', sync.head() - $2)
       returning sync.head() as head`,
      [name, events],
    );
    // As the first process would, but before the time begins.
    await support.query(`select sync.change_subscription($1, '{customer.updated}', 'customer', $2)`, [name, ofShares]);
    const end = Number(rows[0].head);
    const startedAt = performance.now();
    for (const child of crew) child.send(name);
    while (
      Number(
        (await support.query('select position from sync.subscriptions where name = $1', [name])).rows[0].position,
      ) < end
    )
      await new Promise((resolve) => setTimeout(resolve, 10));
    return (events / (performance.now() - startedAt)) * 1_000;
  }

  const found: Readers[] = [];
  for (const work of Object.keys(works) as (keyof typeof works)[]) {
    const figures = { alone: [] as number[], one: [] as number[], two: [] as number[] };
    for (let round = 0; round < rounds; round++) {
      figures.alone.push(await drain(work, 1, 1));
      figures.one.push(await drain(work, 1, shares));
      figures.two.push(await drain(work, 2, shares));
    }
    const ratio = median(figures.two.map((each, round) => each / (figures.one[round] as number)));
    found.push({
      work: works[work].words,
      alone: median(figures.alone),
      one: median(figures.one),
      two: median(figures.two),
      ratio,
    });
  }
  await support.end();
  return found;
}
