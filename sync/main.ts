import { createLog } from '@aether/http';
import { startSync } from './index.ts';

const log = createLog('sync');
const url = process.env.PLATFORM_DB_URL;
if (!url) {
  console.error('PLATFORM_DB_URL is not set: give it the platform database, as sync_app.');
  process.exit(1);
}
const keepDays = Number(process.env.SYNC_KEEP_DAYS ?? 90);
if (!(keepDays > 0)) {
  console.error('SYNC_KEEP_DAYS must be a number of days above 0.');
  process.exit(1);
}
const worker = startSync({ url, keepDays, onError: (error) => log.error({ err: error }, 'sequencer') });
log.info('numbering events');
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => worker.close());
