import { createInterface } from 'node:readline/promises';
import { abandonImport, applyImport, listRuns, readRun, undoImport, verifyImport } from '@aether/importer';
import type pg from 'pg';
import { endWith } from '../exitcodes.ts';
import { actorOf, type Common } from '../syncclient.ts';
import { formatTable } from '../table.ts';
import { describeCounts } from './counts.ts';
import { word } from './words.ts';

export async function apply(client: pg.Client, run: string, options: Common & { rest: number }): Promise<void> {
  const applied = await applyImport(client, run, {
    actor: actorOf(options),
    restMs: options.rest,
    onProgress: progressOf('applied'),
  });
  if (options.json) {
    console.log(
      JSON.stringify({
        run,
        state: applied.state,
        counts: applied.counts,
        planned: applied.planned,
        changed: applied.changed,
      }),
    );
    return;
  }
  console.log(describeCounts(applied.counts));
  for (const [code, lines] of Object.entries(applied.changed))
    console.log(`Other than planned: ${lines} lines, ${code}`);
}

/** On a terminal, one line that is written over. */
function progressOf(what: string): (done: number, lines: number) => void {
  let toldAt = performance.now();
  return (done, lines) => {
    if (!process.stderr.isTTY || (performance.now() - toldAt < 1_000 && done < lines)) return;
    toldAt = performance.now();
    process.stderr.write(`\r${done} of ${lines} lines ${what}${done < lines ? ' …' : '  \n'}`);
  };
}

export async function verify(client: pg.Client, run: string, options: Common): Promise<void> {
  const { isRight, checks } = await verifyImport(client, run);
  if (!isRight) endWith('import verify', 'differs');
  if (options.json) console.log(JSON.stringify({ run, isRight, checks }));
  else
    console.log(
      formatTable(
        ['', 'expected', 'found'],
        checks.map(({ question, expected, found }) => [question, expected, found]),
      ),
    );
}

export async function undo(client: pg.Client, run: string, options: Common & { reason?: string }): Promise<void> {
  const reason = options.reason ?? (await askWhy(`Why is run ${run} undone? (Enter: no reason)`));
  const undone = await undoImport(client, run, { actor: actorOf(options), ...(reason && { reason }) });
  if (options.json) {
    console.log(JSON.stringify({ run, ...undone }));
    return;
  }
  console.log(`${undone.removed} customers removed, ${undone.restored} values put back, ${undone.kept.length} kept.`);
  if (undone.kept.length > 0)
    console.log(
      formatTable(
        ['customer', 'field', 'written', 'now'],
        undone.kept.map(({ customer, field, written, present }) => [customer, field, word(written), word(present)]),
      ),
    );
}

/** Asks a person; a script gives its reason with the command, or none. */
async function askWhy(question: string): Promise<string> {
  if (!process.stdin.isTTY || !process.stderr.isTTY) return '';
  const asking = createInterface({ input: process.stdin, output: process.stderr });
  try {
    return (await asking.question(`${question} `)).trim();
  } finally {
    asking.close();
  }
}

export async function abandon(client: pg.Client, run: string, options: Common & { reason?: string }): Promise<void> {
  if (!options.reason) throw new Error('Say why: --reason.');
  await abandonImport(client, run, { reason: options.reason, actor: actorOf(options) });
  const { state } = await readRun(client, run);
  console.log(options.json ? JSON.stringify({ run, state }) : `Run ${run} is given up. It stays in the history.`);
}

export async function printRuns(client: pg.Client, options: Common & { limit: number }): Promise<void> {
  const runs = await listRuns(client, { limit: options.limit });
  if (options.json) console.log(JSON.stringify({ runs }));
  else if (runs.length === 0) console.log('Nothing was imported yet.');
  else
    console.log(
      formatTable(
        ['run', 'state', 'files', 'lines', 'planned', 'at', 'by', 'given up at'],
        runs.map((run) => [
          run.id,
          run.state,
          run.files.map(({ name }) => name).join(', '),
          run.lines,
          describeCounts(run.planned),
          run.createdAt.toISOString(),
          run.createdBy,
          run.goesAt?.toISOString(),
        ]),
      ),
    );
}
