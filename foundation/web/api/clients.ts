import type { SignInRoutes } from '@aether/signin';
import { send } from '@aether/ui/request.ts';
import { hc } from 'hono/client';
import type { addActivityRoutes } from '../../server/activities/activities.routes.ts';
import type { addActivityMoveRoutes } from '../../server/activities/moves.routes.ts';
import type { addActRoutes } from '../../server/acts/acts.routes.ts';
import type { addCompanyRoutes } from '../../server/companies/companies.routes.ts';
import type { addAddressRoutes } from '../../server/customers/addresses.routes.ts';
import type { addCustomerRoutes } from '../../server/customers/customers.routes.ts';
import type { addPhoneRoutes } from '../../server/customers/phones.routes.ts';
import type { addCustomFieldRoutes } from '../../server/customfields/customfields.routes.ts';
import type { addDealContactRoutes } from '../../server/deals/contacts.routes.ts';
import type { addDealRoutes } from '../../server/deals/deals.routes.ts';
import type { addLossReasonRoutes } from '../../server/lossreasons/lossreasons.routes.ts';
import type { addCustomerMailRoutes } from '../../server/mails/mails.routes.ts';
import type { addNoticeRoutes } from '../../server/notices.ts';
import type { addPipelineRoutes } from '../../server/pipelines/pipelines.routes.ts';
import type { addRateRoutes } from '../../server/reports/rates.routes.ts';
import type { addReportRoutes } from '../../server/reports/reports.routes.ts';
import type { addSearchRoutes } from '../../server/search.ts';
import type { addTagRoutes } from '../../server/tags/tags.routes.ts';
import type { addTaskRoutes } from '../../server/tasks/tasks.routes.ts';
import type { addTextSearchRoutes } from '../../server/textsearch.ts';
import type { addTierRoutes } from '../../server/tiers/tiers.routes.ts';
import type { addUserRoutes } from '../../server/users/users.routes.ts';
import type { addViewRoutes } from '../../server/views/views.routes.ts';

// One client for each family of routes: a single client for all routes takes the compiler many times longer.
const options = { fetch: send };

export const {
  activities: changedActivities,
  companies: companyTimelines,
  customers: timelines,
} = hc<ReturnType<typeof addActivityRoutes>>('/', options).api;
export const { customers: acts } = hc<ReturnType<typeof addActRoutes>>('/', options).api;
export const { activities: movedActivities } = hc<ReturnType<typeof addActivityMoveRoutes>>('/', options).api;
export const { companies, contacts } = hc<ReturnType<typeof addCompanyRoutes>>('/', options).api;
export const { deals: dealContacts } = hc<ReturnType<typeof addDealContactRoutes>>('/', options).api;
export const { customers: addressBooks } = hc<ReturnType<typeof addAddressRoutes>>('/', options).api;
export const { customers: phoneBooks } = hc<ReturnType<typeof addPhoneRoutes>>('/', options).api;
export const { customers: customerMails } = hc<ReturnType<typeof addCustomerMailRoutes>>('/', options).api;
export const { customers } = hc<ReturnType<typeof addCustomerRoutes>>('/', options).api;
export const { 'custom-fields': customFields } = hc<ReturnType<typeof addCustomFieldRoutes>>('/', options).api;
export const { currencies, deals, pipelines: boards } = hc<ReturnType<typeof addDealRoutes>>('/', options).api;
export const { users: mentionable } = hc<ReturnType<typeof addNoticeRoutes>>('/', options).api;
export const { pipelines } = hc<ReturnType<typeof addPipelineRoutes>>('/', options).api;
export const { 'loss-reasons': lossReasons } = hc<ReturnType<typeof addLossReasonRoutes>>('/', options).api;
export const { 'currency-rates': currencyRates, 'report-settings': reportSettings } = hc<
  ReturnType<typeof addRateRoutes>
>('/', options).api;
export const { reports } = hc<ReturnType<typeof addReportRoutes>>('/', options).api;
export const { search } = hc<ReturnType<typeof addSearchRoutes>>('/', options).api;
export const { search: textSearch } = hc<ReturnType<typeof addTextSearchRoutes>>('/', options).api;
export const { tags, customers: tagsOfCustomers } = hc<ReturnType<typeof addTagRoutes>>('/', options).api;
export const { activities, tasks } = hc<ReturnType<typeof addTaskRoutes>>('/', options).api;
export const { tiers } = hc<ReturnType<typeof addTierRoutes>>('/', options).api;
export const { users } = hc<ReturnType<typeof addUserRoutes>>('/', options).api;
export const { users: signIns } = hc<SignInRoutes>('/', options).api;
export const { views } = hc<ReturnType<typeof addViewRoutes>>('/', options).api;
