import { type Served, type ServerOptions, startServer } from '@aether/http';
import { addSignIn } from '@aether/signin';
import packageJson from '../package.json' with { type: 'json' };
import { addContextRoutes } from './context.routes.ts';
import { contextReader } from './context.ts';
import { keepCustomerCache } from './customercache.ts';
import { addSessionRoutes } from './sessions.routes.ts';
import { addVisitorRoutes } from './visitor.routes.ts';

export { addMessage } from './messages.ts';
export { endSession, openSession } from './sessions.ts';

/** Starts Support's server on port 4200, or the next free one. @throws ConfigurationError, DatabaseUnavailable */
export function startSupport(options: ServerOptions = {}): Promise<Served> {
  return startServer(
    {
      app: 'support',
      title: 'Aether Support',
      version: packageJson.version,
      description:
        'The support desk. What a visitor’s widget calls is open to all; the rest is for staff. Every refusal is problem+json and says what to do next.',
      portDefault: 4200,
      subscribe: keepCustomerCache,
      addSignIn,
      addRoutes(app, db, { variables, log }) {
        addVisitorRoutes(app, db);
        addSessionRoutes(app, db);
        addContextRoutes(app, contextReader(db, variables, log));
      },
    },
    options,
  );
}
