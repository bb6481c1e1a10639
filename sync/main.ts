import { createLog } from '@aether/http';
import { startSync } from './index.ts';

/** Runs the worker as a process until Ctrl-C or SIGTERM. */
const stopped = new Promise<void>((resolve) => {
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => resolve());
});
try {
  const worker = await startSync({ log: createLog('sync') });
  await stopped;
  await worker.close();
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
}
