import type { Alert } from './alert.ts';

/** Where alerts go. */
export type Target = {
  name: 'webhook' | 'email';
  /** Delivers one alert, or gives up after a bounded time. @throws DeliveryFailed */
  deliver(alert: Alert, signal: AbortSignal): Promise<void>;
  close(): void;
};

/** Why an alert was not delivered, in a code or a few words without anything that the other side said. */
export class DeliveryFailed extends Error {}
