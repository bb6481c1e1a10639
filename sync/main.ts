import { createLog } from '@aether/http';
import { startSync } from './index.ts';

/** Runs the worker as a process until Ctrl-C or SIGTERM, or until the database refuses this version. */
const stopped = new Promise<void>((resolve) => {
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => resolve());
});
try {
  const worker = await startSync({ log: createLog('sync'), ownProcess: true });
  const refused = await Promise.race([stopped, worker.refused]);
  await worker.close();
  if (refused) throw refused;
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
}
