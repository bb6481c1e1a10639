import { collectValues, keyset, type ListPlace, type Order, type Paging, type Placed } from '@aether/platform';
import { rowsOf, type Sql } from '../sql.ts';

/** A record of what somebody did: a row of sync.operations. */
export type Operation = {
  id: number;
  kind: string;
  scope: Record<string, unknown>;
  reason: string | null;
  outcome: Record<string, unknown>;
  actor: string | null;
  actor_name: string | null;
  app: string;
  login: string;
  done_at: Date;
};

const order: Order = { by: 'o.id', type: 'bigint', id: 'o.id', idType: 'bigint' };

/** The newest first. */
export function listOperations(
  client: Sql,
  { subscription, webhook }: { subscription?: string | undefined; webhook?: string | undefined },
  { after, limit }: { after?: ListPlace } & Paging,
): Promise<Placed<Operation>[]> {
  const { values, parameter } = collectValues();
  const { where, orderBy, place } = keyset(order, 'desc', after, parameter);
  const only = [
    ...(subscription ? [`o.scope ? 'subscription' and o.scope ->> 'subscription' = ${parameter(subscription)}`] : []),
    ...(webhook ? [`o.scope ? 'webhook' and o.scope ->> 'webhook' = ${parameter(webhook)}`] : []),
  ];
  return rowsOf<Placed<Operation>>(
    client,
    `select o.id::float8 as id, o.kind, o.scope, o.reason, o.outcome, o.actor, u.name as actor_name, o.app, o.login, o.done_at, ${place}
     from sync.operations o left join platform.users u on u.id = o.actor
     where ${[where, ...only].join(' and ')} order by ${orderBy} limit ${parameter(limit)}`,
    values,
  );
}
