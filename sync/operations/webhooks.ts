import { rowsOf, type Sql } from '../sql.ts';
import { newSecret } from '../webhooks/signing.ts';
import { act } from './acting.ts';

export type WebhookStatus = {
  name: string;
  app: string;
  url: string;
  types: string[];
  created_at: Date;
  delivered_at: Date | null;
  /** When the first delivery failed since the last one that did not. */
  failing_since: Date | null;
  /** Why the last delivery failed: a code or a status. */
  failure: string | null;
  disabled_at: Date | null;
  disabled_reason: string | null;
  /** The worker has disabled it. */
  is_given_up: boolean;
  /** Of the log that it has not looked at yet; null while it is disabled. */
  behind: number | null;
  parked: number;
  /** Somebody has asked the worker to try the receiver, and it has not yet; for up to ten minutes. */
  test_asked_at: Date | null;
  /** Until when messages have a signature by the former secret, too. */
  former_ends_at: Date | null;
};

/** A message that was posted, and what came of it. */
export type WebhookAttempt = {
  id: number;
  at: Date;
  kind: 'event' | 'replay' | 'test';
  position: number | null;
  type: string;
  outcome: 'taken' | 'gone' | 'refused' | 'unreachable';
  code: string;
  took_ms: number;
};

const countedMax = 10_000;

/** A webhook for somebody who does not manage webhooks: path and query of its address may be a secret, so that only the host is told. Pure. */
export const hideAddress = <Status extends { url: string }>(webhook: Status): Status => {
  const { origin, href } = new URL(webhook.url);
  return { ...webhook, url: href === `${origin}/` ? href : `${origin}/…` };
};

/** All webhooks, by name; or one. */
export const listWebhooks = (client: Sql, name?: string): Promise<WebhookStatus[]> =>
  rowsOf<WebhookStatus>(
    client,
    `select w.name, w.app, w.url, w.types, w.created_at, w.delivered_at, w.failing_since, w.failure, w.disabled_at, w.disabled_reason,
       w.is_given_up, greatest(sync.head() - s.position, 0)::float8 as behind,
       (select count(*)::integer from (select from sync.parked p where p.subscription = s.name limit ${countedMax + 1}) c) as parked,
       case when w.test_asked_at > clock_timestamp() - interval '10 minutes' then w.test_asked_at end as test_asked_at,
       (select max(x.ends_at) from sync.webhook_secrets x where x.webhook = w.name and x.ends_at > clock_timestamp()) as former_ends_at
     from sync.webhooks w left join sync.subscriptions s on s.name = 'sync.webhook.' || w.name
     where $1::text is null or w.name = $1 order by w.name`,
    [name ?? null],
  );

/** The last attempts of a webhook, the newest first: fifty that were taken, and fifty that were not. */
export const listAttempts = (client: Sql, name: string): Promise<WebhookAttempt[]> =>
  rowsOf<WebhookAttempt>(
    client,
    `select a.id::float8 as id, a.at, a.kind, a.position::float8 as position, a.type, a.outcome, a.code, a.took_ms
     from sync.webhook_attempts a where a.webhook = $1 order by a.at desc, a.id desc`,
    [name],
  );

export type NewWebhook = { name: string; app: string; url: string; types: string[]; reason?: string | undefined };

/**
 * Registers a webhook, which begins with the events from now on.
 *
 * @returns its secret, which nobody is told again
 * @throws OperationRefused
 */
export async function addWebhook(
  client: Sql,
  { name, app, url, types, reason }: NewWebhook,
): Promise<{ secret: string; position: number; operation: number }> {
  const secret = newSecret();
  const added = await act<{ position: number; operation: number }>(client, 'sync.add_webhook($1, $2, $3, $4, $5, $6)', [
    name,
    app,
    url,
    types,
    secret,
    reason ?? null,
  ]);
  return { secret, ...added };
}

/**
 * Gives a webhook a new secret; messages carry a second signature by the former one for so long.
 *
 * @throws OperationRefused
 */
export async function rotateWebhook(
  client: Sql,
  name: string,
  { formerSeconds, reason }: { formerSeconds: number; reason?: string | undefined },
): Promise<{ secret: string; former_ends_at: string; operation: number }> {
  const secret = newSecret();
  const rotated = await act<{ former_ends_at: string; operation: number }>(
    client,
    'sync.rotate_webhook_secret($1, $2, $3, $4)',
    [name, secret, formerSeconds, reason ?? null],
  );
  return { secret, ...rotated };
}

/**
 * Gives a webhook another address, other types, or both. It goes on at the same place.
 *
 * @throws OperationRefused
 */
export const changeWebhook = (
  client: Sql,
  name: string,
  { url, types, reason }: { url?: string | undefined; types?: string[] | undefined; reason?: string | undefined },
): Promise<{ url_changed: boolean; types_changed: boolean; operation: number }> =>
  act(client, 'sync.change_webhook($1, $2, $3, $4)', [name, url ?? null, types ?? null, reason ?? null]);

/** Asks the worker to post a message that says nothing; `listAttempts` has what came of it. @throws OperationRefused */
export const testWebhook = (
  client: Sql,
  name: string,
  reason?: string,
): Promise<{ asked_at: string; operation: number }> => act(client, 'sync.test_webhook($1, $2)', [name, reason ?? null]);

/** Delivers nothing more, and does not hold the log. @throws OperationRefused */
export const disableWebhook = (
  client: Sql,
  name: string,
  reason: string,
): Promise<{ position: number; operation: number }> => act(client, 'sync.disable_webhook($1, $2)', [name, reason]);

/** Goes on where it was disabled. @returns `missed`: how many positions the log has dropped since @throws OperationRefused */
export const enableWebhook = (
  client: Sql,
  name: string,
  reason?: string,
): Promise<{ position: number; missed: number; operation: number }> =>
  act(client, 'sync.enable_webhook($1, $2)', [name, reason ?? null]);

/** @throws OperationRefused */
export const removeWebhook = (
  client: Sql,
  name: string,
  reason?: string,
): Promise<{ app: string; operation: number }> => act(client, 'sync.remove_webhook($1, $2)', [name, reason ?? null]);
