/** A Foundation in a process of its own, for the bench of metrics: it says its address, and ends with its parent. */
import { startFoundation } from '@aether/foundation';

process.env.LOG_LEVEL = 'error';
const { url } = await startFoundation({ port: 0, withoutSubscriptions: true });
process.send?.(url);
process.on('disconnect', () => process.exit());
