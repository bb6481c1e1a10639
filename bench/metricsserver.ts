/**
 * A Foundation in a process of its own, for the bench of metrics. It sends its address, answers each message with the µs of CPU that it has
 * used, and ends with its parent.
 */
import { startFoundation } from '@aether/foundation';

process.env.LOG_LEVEL = 'error';
const { url } = await startFoundation({ port: 0, withoutSubscriptions: true });
process.send?.(url);
process.on('message', () => {
  const { user, system } = process.cpuUsage();
  process.send?.(user + system);
});
process.on('disconnect', () => process.exit());
