import {
  type Answer,
  answerPair,
  listCandidates,
  type NamedPlace,
  namePlaces,
  prepareRun,
  readRun,
  replanImport,
  whatIfRun,
} from '@aether/importer';
import type pg from 'pg';
import { actorOf, type Common } from '../syncclient.ts';
import { formatTable } from '../table.ts';
import { describeCounts } from './counts.ts';

export async function printCandidates(
  client: pg.Client,
  run: string,
  options: Common & { limit: number },
): Promise<void> {
  await readRun(client, run);
  const candidates = await listCandidates(client, run, { limit: options.limit });
  const named = await namePlaces(
    client,
    run,
    candidates.flatMap(({ n, otherN, otherCustomer }) => [
      { n },
      otherN === null ? { customer: otherCustomer as string } : { n: otherN },
    ]),
  );
  if (options.json) console.log(JSON.stringify({ run, candidates }));
  else if (candidates.length === 0) console.log('There is none.');
  else
    console.log(
      formatTable(
        ['line', 'is', 'other', 'is', 'score', 'why'],
        candidates.map(({ n, otherN, otherCustomer, score, reasons }, at) => [
          n,
          sayPlace(named[at * 2] as NamedPlace),
          otherN ?? otherCustomer,
          sayPlace(named[at * 2 + 1] as NamedPlace),
          score,
          reasons.join('; '),
        ]),
      ),
    );
}

/** How a line or a customer is shown. */
const sayPlace = ({ name, email }: NamedPlace) => [name, email].filter(Boolean).join(', ');

type Said = { n: number; other: string; said: Answer };

export async function answer(client: pg.Client, run: string, { n, other, said }: Said, options: Common): Promise<void> {
  const isLine = /^\d{1,9}$/.test(other);
  if (!isLine && !/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(other))
    throw new Error('The other one is the number of a line, or the id of a customer.');
  const pair = isLine ? { n, otherN: Number(other) } : { n, customer: other };
  const changesPlan = await answerPair(client, run, pair, said, { actor: actorOf(options) });
  if (options.json) console.log(JSON.stringify({ run, ...pair, answer: said, changesPlan }));
  else
    console.log(
      changesPlan ? `It is kept. The plan does not follow it yet: aether import replan ${run}` : 'It is kept.',
    );
}

export async function replan(client: pg.Client, run: string, options: Common & { set?: string[] }): Promise<void> {
  const { set } = options;
  const { counts } = await replanImport(client, run, {
    actor: actorOf(options),
    ...(set && { matching: set.filter((each) => each !== 'standard') }),
  });
  console.log(options.json ? JSON.stringify({ run, counts }) : describeCounts(counts));
}

export async function whatIf(client: pg.Client, run: string, options: Common & { set: string[] }): Promise<void> {
  const prepared = await prepareRun(client, run);
  const found = whatIfRun(prepared, options.set);
  if (options.json) {
    console.log(JSON.stringify({ run, ...found }));
    return;
  }
  for (const side of ['gained', 'lost'] as const) {
    const { pairs, groups, examples } = found[side];
    console.log(`${pairs} pairs would be ${side}, in ${groups} groups.`);
    const named = await namePlaces(
      client,
      run,
      examples.flatMap(({ places }) => places),
    );
    const shown = examples.map(({ reasons }, at) => [
      ...named.slice(at * 2, at * 2 + 2).map(sayPlace),
      reasons.join('; '),
    ]);
    if (shown.length > 0) console.log(formatTable(['', '', ''], shown));
  }
}
