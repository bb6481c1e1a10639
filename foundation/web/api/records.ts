import type { InferRequestType, InferResponseType } from 'hono/client';
import type {
  activities,
  boards,
  changedActivities,
  companies,
  companyTimelines,
  contacts,
  customerMails,
  customers,
  customFields,
  dealContacts,
  deals,
  pipelines,
  signIns,
  tasks,
  timelines,
  users,
  views,
} from './clients.ts';

/** Names for the server's answers. The types are taken from the server's routes, so they cannot differ. */
export type CustomerRecord = InferResponseType<(typeof customers)[':id']['$get'], 200>;
export type Customer = CustomerRecord['customer'];
export type Address = CustomerRecord['addresses'][number];
export type ReviewCandidate = CustomerRecord['candidates'][number];
export type Provenance = CustomerRecord['provenance'][string];
export type ListedCustomer = InferResponseType<(typeof customers)['$get'], 200>['customers'][number];
export type CustomerInput = Omit<InferRequestType<(typeof customers)[':id']['$patch']>['json'], 'expected_version'>;

export type TimelineEntry = WithoutCustomer<
  InferResponseType<(typeof timelines)[':id']['timeline']['$get'], 200>['entries'][number]
> & {
  /** Whose it is, in the timeline of a company or of a deal; null: of the company itself. */
  customer?: { id: string; name: string | null } | null;
};
type WithoutCustomer<Entry> = Entry extends unknown ? Omit<Entry, 'customer'> : never;
export type ActivityEntry = Extract<TimelineEntry, { kind: 'activity' }>;
export type DealEntry = Extract<TimelineEntry, { kind: 'deal' }>;
export type FieldEntry = Extract<TimelineEntry, { kind: 'field' }>;
export type FieldChange = FieldEntry['changes'][number];
export type NewActivity = InferRequestType<(typeof timelines)[':id']['activities']['$post']>['json'];
export type NewCompanyActivity = InferRequestType<(typeof companyTimelines)[':id']['activities']['$post']>['json'];
export type NewMail = InferRequestType<(typeof customerMails)[':id']['mails']['$post']>['json'];
export type ActivityChange = InferRequestType<(typeof changedActivities)[':id']['$patch']>['json'];
export type Task = InferResponseType<(typeof activities)['$get'], 200>['activities'][number];
export type WaitingTasks = InferResponseType<(typeof tasks)['waiting']['$get'], 200>;
export type Repetition = NonNullable<Task['repeats']>;

export type Pipeline = InferResponseType<(typeof pipelines)['$get'], 200>['pipelines'][number];
export type Stage = Pipeline['stages'][number];
export type Outcome = Stage['outcome'];
export type PipelineStages = InferRequestType<(typeof pipelines)[':id']['stages']['$put']>['json'];
export type StageInput = PipelineStages['stages'][number];

export type Board = InferResponseType<(typeof boards)[':id']['board']['$get'], 200>;
export type BoardColumn = Board['columns'][number];
export type Sums = BoardColumn['sums'];
export type ListedDeal = BoardColumn['deals'][number];
export type DealRecord = InferResponseType<(typeof deals)[':id']['$get'], 200>;
export type Deal = InferResponseType<(typeof deals)[':id']['move']['$post'], 200>;
export type DealContact = InferResponseType<(typeof dealContacts)[':id']['contacts']['$get'], 200>['contacts'][number];
export type Closing = NonNullable<DealRecord['closing']>;
export type NewDeal = InferRequestType<(typeof deals)['$post']>['json'];
export type DealInput = Omit<InferRequestType<(typeof deals)[':id']['$patch']>['json'], 'expected_version'>;

export type ListedCompany = InferResponseType<(typeof companies)['$get'], 200>['companies'][number];
export type CompanyRecord = InferResponseType<(typeof companies)[':id']['$get'], 200>;
export type CompanyInput = Omit<InferRequestType<(typeof companies)[':id']['$patch']>['json'], 'expected_version'>;
export type CompanyCustomers = InferResponseType<(typeof companies)[':id']['customers']['$get'], 200>;
export type DealSums = InferResponseType<(typeof companies)[':id']['deal-sums']['$get'], 200>['open'];
export type Contact = InferResponseType<(typeof companies)[':id']['contacts']['$get'], 200>['contacts'][number];
export type ContactInput = Omit<InferRequestType<(typeof contacts)[':id']['$patch']>['json'], 'expected_version'>;

export type CustomField = InferResponseType<(typeof customFields)['$get'], 200>['custom_fields'][number];
export type CustomFieldInput = Omit<CustomField, 'id' | 'position'>;
export type FieldRecord = CustomField['record'];
export type FieldType = CustomField['type'];
export type CustomValues = CustomerRecord['custom'];
export type CustomValue = CustomValues[string];

export type StaffUser = InferResponseType<(typeof users)['$get'], 200>['users'][number];
export type Holdings = InferResponseType<(typeof users)[':id']['holdings']['$get'], 200>;
export type SignIn = InferResponseType<(typeof signIns)[':id']['sign-ins']['$get'], 200>['sign_ins'][number];
export type View = InferResponseType<(typeof views)['$get'], 200>['views'][number];
export type ViewPage = View['page'];
