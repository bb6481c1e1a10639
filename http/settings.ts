/* The settings of a server, for whoever describes them. Each function is pure. */
export { readMetricsSettings } from './metrics/settings.ts';
export { readLogLevel } from './serving/log.ts';
export { readServerSettings } from './serving/settings.ts';
