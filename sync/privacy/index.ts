export { type ExportFile, exportPerson, exportVersion, type Manifest, type PersonExport } from './archive.ts';
export { type Category, categories } from './categories.ts';
export { openPrivacy, type Privacy } from './connection.ts';
export {
  type CleanedUp,
  cleanUp,
  type Erased,
  type ErasurePreview,
  eraseCustomer,
  previewErasure,
} from './erasing.ts';
export { eraseList, type JobLine, type JobOfList, type ListPreview, previewList } from './erasingmany.ts';
export { type LegalHold, listHolds, placeHold, releaseHold, releaseHoldsOf } from './holds.ts';
export { type Listed, type ListRefusal, listRefusals, readList } from './lists.ts';
export {
  type Found,
  type FoundCustomer,
  findPerson,
  type Held,
  type Person,
  requireCustomer,
  requirePerson,
  SeveralPersons,
} from './person.ts';
export { listReceipts, type Receipt } from './receipts.ts';
export { type ErasedOne, liftErasure, liftSuppression, listErased, readErased, repeatErasures } from './suppression.ts';
export { NotAPerson, readWho, type Who } from './who.ts';
