// What the published package exports to an app outside of this repository. Each name is a promise: see deploy/packages.
export type { Address, ChangedAddresses, ReviewCandidate } from './addresses.ts';
export type { CacheOptions, CacheState } from './cache.ts';
export type { Company, NewCompany } from './companies.ts';
export type { OwnConstraints } from './constraints.ts';
export type { CrmContext, CustomerContext } from './context.ts';
export type { CrossAppRead, CrossAppReads } from './crossapp.ts';
export type { ChangedPhones, CustomerPhone } from './customerphones.ts';
export type { Customer, CustomerChange, NewCustomer } from './customers.ts';
export { type CanonicalEmail, canonicaliseDomain, canonicaliseEmail } from './email.ts';
export type { App } from './environment.ts';
export * from './errors.ts';
export { repeatIfGone } from './gone.ts';
export type { Part } from './heartbeat.ts';
export type { Holder } from './holders.ts';
export type { EventBus } from './log/bus.ts';
export { becauseOf, type Cause, readCause } from './log/cause.ts';
export * from './log/errors.ts';
export type {
  AddressColumns,
  CompanyColumns,
  CustomerColumns,
  DataOf,
  EventRows,
  PhoneColumns,
  TierColumns,
  UserColumns,
} from './log/eventrows.ts';
export type {
  AppEvent,
  CustomerEventData,
  CustomerEventNames,
  DealClosedData,
  DealReopenedData,
  EventType,
  EventTypes,
  MergeEventData,
  PayloadSchema,
  PayloadSchemas,
  PreviousOf,
  RowChange,
} from './log/events.ts';
export { FellBehind, type Following } from './log/feed.ts';
export type { BatchHandled, Handled } from './log/handlers.ts';
export type { Happening } from './log/lifecycle.ts';
export type { Place } from './log/log.ts';
export type { EventPage, PageOptions } from './log/page.ts';
export type { Queryable, QueryLimit, Statement } from './log/query.ts';
export { type FallbackReason, fallbackReasons, type ReplicaState } from './log/replica.ts';
export type { Signal } from './log/signals.ts';
export type { Subscription, SubscriptionOptions } from './log/subscription.ts';
export {
  LoadTimeout,
  SubscriptionChanged,
  SubscriptionDisplaced,
  SubscriptionGone,
  TargetUnavailable,
} from './log/subscriptionfailures.ts';
export type { InTransaction, Transaction, TransactionOptions, Write } from './log/transaction.ts';
export type { Work } from './log/work.ts';
export type { MergedFrom } from './mergedfrom.ts';
export type {
  Merge,
  MergeChoices,
  Merged,
  MergedCustomer,
  MergeField,
  MergePreview,
  MergeValue,
  Unmerged,
  UnmergePreview,
} from './merging.ts';
export type { Move, MovedKind, MovePreview } from './moves.ts';
export { isNoAddress, showAddress } from './noaddress.ts';
export type { Phone } from './phone.ts';
export { connectPlatform, type PlatformDb, type ReadAs } from './platform.ts';
export { type Tier, type TierColour, tierColours } from './tiers.ts';
export { type Role, roles, type SignIn, type User } from './users.ts';
