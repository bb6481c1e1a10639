import { readTexts } from '../parts/words.ts';

/** In the URL of the webhooks: only those of an app, and the dialog that registers one. */
export type WebhooksSearch = { app?: string; add?: string };
export const readWebhooksSearch = (given: Record<string, unknown>): WebhooksSearch => readTexts(given, ['app', 'add']);

/** In the URL of a webhook: the dialog that is open. */
export type WebhookSearch = { act?: string };
export const readWebhookSearch = (given: Record<string, unknown>): WebhookSearch => readTexts(given, ['act']);
