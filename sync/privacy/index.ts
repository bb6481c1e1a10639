export { type ExportFile, exportPerson, exportVersion, type Manifest, type PersonExport } from './archive.ts';
export { type Category, categories } from './categories.ts';
export { openPrivacy, type Privacy } from './connection.ts';
export {
  type Found,
  type FoundCustomer,
  findPerson,
  type Held,
  type Person,
  requirePerson,
  SeveralPersons,
} from './person.ts';
export { NotAPerson, readWho, type Who } from './who.ts';
