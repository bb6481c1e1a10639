// What the rooms of this repository import: what is published, and what their servers share.
export { type Attempt, readAttempt, requireSameContent, requireSameRequest } from './attempts.ts';
export { customerColumns } from './customers.ts';
export { isUuid, patchRow, readCompanyDomain } from './fields.ts';
export { contains, fold, foldedWordsOf, wordsOf } from './folding.ts';
export {
  collectValues,
  type Direction,
  keyset,
  type ListPlace,
  type Order,
  type Paging,
  type Parameter,
  type Placed,
  placeColumn,
  readList,
} from './keyset.ts';
export { laterOf, present } from './log/reader.ts';
export { coalesce, type Lookup, prepareLookup, runLookup } from './lookups.ts';
export { findMentionable, mentionsMax, mentionsOf, nameUsers, requireMentions, withMentions } from './mentioning.ts';
export { goesOn } from './mergedfrom.ts';
export {
  countNotices,
  type DescribeNotices,
  listNotices,
  markAllRead,
  markNotice,
  type Notice,
  type NoticeWords,
  noticeKinds,
  noticeRecords,
  unmarkRead,
} from './notices.ts';
export { foldDigits } from './phone.ts';
export * from './published.ts';
export { IdempotencyKeyReused, type KeyedRequest, onlyOnce, RequestUnderWay } from './repeats.ts';
export {
  betweenInSql,
  type CustomerPart,
  type CustomersByIndex,
  isKnownBeginning,
  matchAddress,
  matchCustomer,
  matchName,
  matchPhone,
  readSearchedPhone,
  type SearchedPhone,
} from './searching.ts';
export { tierColumns } from './tiers.ts';
