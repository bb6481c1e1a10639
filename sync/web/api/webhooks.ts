import { read } from '@aether/ui/request.ts';
import { queryOptions } from '@tanstack/react-query';
import { webhooks } from './clients.ts';

const askEveryMs = 3_000;

const readWebhooks = (signal: AbortSignal) => read(webhooks.$get(undefined, { init: { signal } }));
export type Webhook = Awaited<ReturnType<typeof readWebhooks>>['webhooks'][number];

export const webhooksQuery = queryOptions({
  queryKey: ['webhooks'],
  queryFn: ({ signal }) => readWebhooks(signal),
  refetchInterval: askEveryMs,
});

const readWebhook = (name: string, signal: AbortSignal) =>
  read(webhooks[':name'].$get({ param: { name } }, { init: { signal } }));
export type Attempt = Awaited<ReturnType<typeof readWebhook>>['attempts'][number];

/** One webhook with its last attempts. Asked again every second while a test is under way. */
export const webhookQuery = (name: string) =>
  queryOptions({
    queryKey: ['webhooks', name],
    queryFn: ({ signal }) => readWebhook(name, signal),
    refetchInterval: ({ state }) => (state.data?.webhook.test_asked_at ? 1_000 : askEveryMs),
    retry: false,
  });

/** The subscription that delivers a webhook. Pure. */
export const subscriptionOf = (webhook: string): string => `sync.webhook.${webhook}`;

/** The webhook that a subscription delivers; undefined for any other. Pure. */
export const webhookOf = (subscription: string): string | undefined =>
  subscription.startsWith(subscriptionOf('')) ? subscription.slice(subscriptionOf('').length) : undefined;

type NewWebhook = { name: string; app: string; url: string; types: string[]; reason?: string };
export const addWebhook = (json: NewWebhook) => read(webhooks.$post({ json }));

const withReason = (reason: string) => ({ ...(reason && { reason }) });
const param = (name: string) => ({ name });
export const changeWebhook = (name: string, change: { url?: string; types?: string[]; reason?: string }) =>
  read(webhooks[':name'].change.$post({ param: param(name), json: change }));
export const testWebhook = (name: string) => read(webhooks[':name'].test.$post({ param: param(name), json: {} }));
export const rotateWebhook = (name: string, formerSeconds: number, reason: string) =>
  read(
    webhooks[':name'].secret.$post({
      param: param(name),
      json: { former_seconds: formerSeconds, ...withReason(reason) },
    }),
  );
export const disableWebhook = (name: string, reason: string) =>
  read(webhooks[':name'].disable.$post({ param: param(name), json: { reason } }));
export const enableWebhook = (name: string, reason: string) =>
  read(webhooks[':name'].enable.$post({ param: param(name), json: withReason(reason) }));
export const removeWebhook = (name: string, reason: string) =>
  read(webhooks[':name'].remove.$post({ param: param(name), json: withReason(reason) }));
