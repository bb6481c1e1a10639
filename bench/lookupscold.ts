import type { LocalServer } from '@aether/database';
import { emailOf } from './customers.ts';
import { type Call, rawStatements, type Subject } from './lookupsides.ts';
import { median } from './measure.ts';

/*
 * Lookups of pages that nobody has touched: before each measurement the server is started again, and each address is asked once. Its pages
 * are in the operating system's cache, not in the server's, and no connection has them in its page table.
 */

const callersTried = [8, 64];
const askedMax = 3_000;
/** Addresses that are asked before, so that connections, plans and catalogs are there. The others are on other pages. */
const warmUpAddresses = 16;

export async function compareCold(
  local: LocalServer,
  { sizes, rounds, open }: { sizes: number[]; rounds: number; open(customers: number): Promise<Subject> },
): Promise<void> {
  console.log('| call | customers | callers | raw /s | platformDb /s | platformDb ÷ raw |\n|---|--:|--:|--:|--:|--:|');
  for (const customers of sizes)
    for (const call of Object.keys(rawStatements) as Call[])
      for (const callers of callersTried) {
        const raw: number[] = [];
        const ours: number[] = [];
        const askEach = async (side: 'askRaw' | 'askOurs', perSecond: number[]) => {
          await local.server.stop('fast');
          await local.server.start();
          const subject = await open(customers);
          perSecond.push(await measureOnce(subject, side, call, callers));
          await subject.close();
        };
        for (let round = 0; round < rounds; round++) {
          const turns = [() => askEach('askRaw', raw), () => askEach('askOurs', ours)];
          for (const turn of round % 2 ? turns.toReversed() : turns) await turn();
        }
        const ratio = median(ours.map((each, round) => each / (raw[round] as number)));
        console.log(
          `| ${call} | ${customers.toLocaleString('en')} | ${callers} | ${Math.round(median(raw)).toLocaleString('en')} | ` +
            `${Math.round(median(ours)).toLocaleString('en')} | **${ratio.toFixed(2)}×** |`,
        );
      }
}

/** @returns lookups a second */
async function measureOnce(
  { customers, ...subject }: Subject,
  side: 'askRaw' | 'askOurs',
  call: Call,
  callers: number,
): Promise<number> {
  const warm = subject[side](call, () => emailOf(Math.floor(Math.random() * warmUpAddresses)));
  for (let n = 0; n < 20; n++) await Promise.all(Array.from({ length: 1 + ((n * 13) % 64) }, warm));
  // Far from each other, and each once: the step has no divisor in common with a round number of customers.
  const step = 7_919 * Math.ceil(customers / askedMax / 7_919) + 2;
  let next = Math.floor(Math.random() * customers);
  const ask = subject[side](call, () => {
    next = (next + step) % customers;
    return emailOf(next);
  });
  const startedAt = performance.now();
  let left = askedMax;
  await Promise.all(
    Array.from({ length: callers }, async () => {
      while (left-- > 0) await ask();
    }),
  );
  return (askedMax / (performance.now() - startedAt)) * 1_000;
}
