export type { EventBus } from './bus.ts';
export type { CacheOptions, CacheState } from './cache.ts';
export type { Company, NewCompany } from './companies.ts';
export type { InTransaction, Queryable, Transaction, Write } from './connection.ts';
export type { CrmContext, CustomerContext } from './context.ts';
export { type Customer, type CustomerChange, customerColumns, type NewCustomer } from './customers.ts';
export { type CanonicalEmail, canonicaliseDomain, canonicaliseEmail } from './email.ts';
export type { App } from './environment.ts';
export * from './errors.ts';
export type {
  AppEvent,
  CustomerEventData,
  EventType,
  EventTypes,
  PayloadSchema,
  PayloadSchemas,
  RowChange,
} from './events.ts';
export { FellBehind } from './feed.ts';
export { isUuid } from './fields.ts';
export { coalesce } from './lookups.ts';
export { connectPlatform, type PlatformDb } from './platform.ts';
export type { Signal } from './signals.ts';
export { type Handled, type Subscription, TargetUnavailable } from './subscriptions.ts';
export type { SignIn, User } from './users.ts';
