/* The settings of the worker and the console, for whoever describes them. Each function is pure. */
export { readAlertSettings } from './alerts/settings.ts';
export { readSyncSettings } from './settings.ts';
export { readWebhookNetworks } from './webhooks/networks.ts';
