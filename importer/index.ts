export type { CellRemark, Person, PersonCompany, PersonEmail, PersonPhone, ReadRow } from './person.ts';
