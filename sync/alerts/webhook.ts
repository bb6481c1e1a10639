import { signWebhook } from '../webhooks/signing.ts';
import { type Alert, toPayload } from './alert.ts';
import type { WebhookSettings } from './settings.ts';
import { DeliveryFailed, type Target } from './target.ts';

const answerMs = 10_000;

/** Posts alerts to the one address of the settings. It follows no redirect, so that no answer leads it anywhere else, and reads no answer. */
export function openWebhook({ url, secret }: WebhookSettings, consoleUrl: string | undefined): Target {
  return {
    name: 'webhook',
    async deliver(alert: Alert, signal: AbortSignal) {
      const body = JSON.stringify(toPayload(alert, consoleUrl));
      const seconds = Math.floor(Date.now() / 1_000);
      const signed = signWebhook([secret], { id: alert.messageId, seconds, body });
      const answer = await fetch(url, {
        method: 'POST',
        redirect: 'manual',
        headers: { 'Content-Type': 'application/json', 'User-Agent': 'aether-alerts', ...signed },
        body,
        signal: AbortSignal.any([signal, AbortSignal.timeout(answerMs)]),
      }).catch((error) => {
        throw new DeliveryFailed(codeOf(error), { cause: error });
      });
      await answer.body?.cancel().catch(() => {});
      if (!answer.ok) throw new DeliveryFailed(`HTTP ${answer.status}`);
    },
    close() {},
  };
}

function codeOf(error: unknown): string {
  const { name, cause } = error as { name?: string; cause?: { code?: string } };
  if (name === 'TimeoutError') return `no answer within ${answerMs / 1_000} s`;
  return cause?.code ?? name ?? 'failed';
}
