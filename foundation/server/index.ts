import { join } from 'node:path';
import { openFiles } from '@aether/files';
import { addSettingChangeRoutes, type Served, type ServerOptions, startServer } from '@aether/http';
import { openMail } from '@aether/mail';
import type { PlatformDb } from '@aether/platform';
import { addSignIn } from '@aether/signin';
import packageJson from '../package.json' with { type: 'json' };
import { addActivityRoutes } from './activities/activities.routes.ts';
import { addActivityFileRoutes } from './activities/files.routes.ts';
import { addActivityMoveRoutes } from './activities/moves.routes.ts';
import { addActRoutes } from './acts/acts.routes.ts';
import { foundationCodes } from './codes.ts';
import { addCompanyRoutes } from './companies/companies.routes.ts';
import { addAddressRoutes } from './customers/addresses.routes.ts';
import { adoptChatCustomers } from './customers/adoption.ts';
import { addContextRoutes } from './customers/context.routes.ts';
import { addCustomerRoutes } from './customers/customers.routes.ts';
import { addPhoneRoutes } from './customers/phones.routes.ts';
import { addCustomFieldRoutes } from './customfields/customfields.routes.ts';
import { addDealContactRoutes } from './deals/contacts.routes.ts';
import { addDealRoutes } from './deals/deals.routes.ts';
import { addLossReasonRoutes } from './lossreasons/lossreasons.routes.ts';
import { addCustomerMailRoutes } from './mails/mails.routes.ts';
import { keepMails } from './mails/mails.ts';
import { addNoticeRoutes, openHearing } from './notices.ts';
import { addPipelineRoutes } from './pipelines/pipelines.routes.ts';
import { addRateRoutes } from './reports/rates.routes.ts';
import { addReportRoutes } from './reports/reports.routes.ts';
import { foundationScopes } from './scopes.ts';
import { addSearchRoutes } from './search.ts';
import { addSnapshotRoutes } from './snapshots/snapshots.routes.ts';
import { addTagRoutes } from './tags/tags.routes.ts';
import { addTaskRoutes } from './tasks/tasks.routes.ts';
import { addTextSearchRoutes } from './textsearch.ts';
import { addTierRoutes } from './tiers/tiers.routes.ts';
import { recordHistory } from './timeline/history.ts';
import { addUserRoutes } from './users/users.routes.ts';
import { addViewRoutes } from './views/views.routes.ts';

export { readConditions } from './customers/conditions.ts';
export type { CustomerFilters } from './customers/customermatch.ts';
export { listCustomers } from './customers/customers.ts';
export type { CustomerList } from './customers/customersearch.ts';
export { countCustomers, readOrder } from './customers/customersearch.ts';
export { readBoard } from './deals/board.ts';
export { listDeals } from './deals/deals.ts';
export type { DealList } from './deals/dealsearch.ts';
export { readTimeline } from './timeline/timeline.ts';

const webFolder = join(import.meta.dirname, '..', 'web', 'dist');

/** Starts Foundation's server on port 4100, or the next free one. @throws ConfigurationError, DatabaseUnavailable */
export function startFoundation(options: ServerOptions = {}): Promise<Served> {
  let rings: PlatformDb['signals'] | undefined;
  return startServer(
    {
      app: 'foundation',
      title: 'Aether Foundation',
      version: packageJson.version,
      description:
        'The CRM: customers, deals on pipelines, activities. Every refusal is problem+json and says what to do next.',
      portDefault: 4100,
      rights: foundationScopes,
      problems: foundationCodes,
      subscribe(db, onError) {
        adoptChatCustomers(db, onError);
        recordHistory(db, onError);
      },
      addSignIn,
      web: webFolder,
      openHearing,
      signals: (listener) => rings?.listen(listener) ?? (() => {}),
      addRoutes(app, db, context) {
        rings = db.signals;
        addContextRoutes(app, db);
        addCustomerRoutes(app, db);
        addActRoutes(app, db);
        addTagRoutes(app, db);
        addAddressRoutes(app, db);
        addPhoneRoutes(app, db);
        addActivityRoutes(app, db);
        const files = openFiles(db, context);
        addActivityFileRoutes(app, db, files);
        addCustomerMailRoutes(app, db, openMail(db, context, keepMails(db, files)));
        addActivityMoveRoutes(app, db);
        addTaskRoutes(app, db);
        addNoticeRoutes(app, db);
        addDealRoutes(app, db);
        addDealContactRoutes(app, db);
        addLossReasonRoutes(app, db);
        addPipelineRoutes(app, db);
        addReportRoutes(app, db);
        addRateRoutes(app, db);
        addCompanyRoutes(app, db);
        addCustomFieldRoutes(app, db);
        addTierRoutes(app, db);
        addUserRoutes(app, db);
        addViewRoutes(app, db);
        addSettingChangeRoutes(app, db);
        addSearchRoutes(app, db);
        addTextSearchRoutes(app, db);
        addSnapshotRoutes(app, db);
      },
    },
    options,
  );
}
