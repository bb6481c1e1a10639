import { type Served, type ServerOptions, startServer } from '@aether/http';
import packageJson from '../package.json' with { type: 'json' };
import { addActivityRoutes } from './activities.routes.ts';
import { adoptChatCustomers } from './adoption.ts';
import { addCustomerRoutes } from './customers.routes.ts';
import { addDealRoutes } from './deals.routes.ts';

/** Starts Foundation's server on port 4100, or the next free one. @throws ConfigurationError, DatabaseUnavailable */
export function startFoundation(options: ServerOptions = {}): Promise<Served> {
  return startServer(
    {
      app: 'foundation',
      title: 'Aether Foundation',
      version: packageJson.version,
      description:
        'The CRM: customers, deals on pipelines, activities. Every refusal is problem+json and says what to do next.',
      portDefault: 4100,
      subscribe: adoptChatCustomers,
      addRoutes(app, db) {
        addCustomerRoutes(app, db);
        addActivityRoutes(app, db);
        addDealRoutes(app, db);
      },
    },
    options,
  );
}
