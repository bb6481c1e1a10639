export type { CellRemark, Person, PersonCompany, PersonEmail, PersonPhone, ReadRow } from './person.ts';
export { readCompanions } from './reading/companions.ts';
export { companyDomainOf } from './reading/hosts.ts';
export type { Layout, LayoutAnswers } from './reading/layout.ts';
export {
  customKeyOf,
  type Field,
  fingerprintOf,
  type Mapping,
  plainFields,
  readField,
  requireMapping,
} from './reading/mapping.ts';
export type { Answers, Companions } from './reading/persons.ts';
export { type ReadingOptions, type ReadingProgress, readPersons } from './reading/reading.ts';
export { type Question, type Recognition, recognise } from './reading/recognition.ts';
export { type RefusalCode, SourceRefused } from './reading/refusal.ts';
export { type ByteSource, openQuery, openSource, type QuerySource, type Source } from './reading/source.ts';
