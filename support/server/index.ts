import { join } from 'node:path';
import { type Served, type ServerOptions, startServer } from '@aether/http';
import { addSignIn } from '@aether/signin';
import packageJson from '../package.json' with { type: 'json' };
import { addAgentRoutes } from './agents.routes.ts';
import { addCallRoutes } from './calls.routes.ts';
import { addCannedAnswerRoutes } from './cannedanswers.ts';
import { addChatbotRoutes } from './chatbots.routes.ts';
import { addContextRoutes } from './context.routes.ts';
import { contextReader } from './context.ts';
import { keepCustomerCache } from './customercache.ts';
import { addInboxRoutes } from './inbox.routes.ts';
import { type Live, openLive } from './live.ts';
import { addPanelRoutes } from './panel.routes.ts';
import { addSearchRoutes } from './search.ts';
import { addSessionRoutes } from './sessions.routes.ts';
import { addVisitorRoutes } from './visitor.routes.ts';
import { openVisitorDoor } from './visitordoor.ts';
import { addVisitorMessageRoutes } from './visitormessages.routes.ts';
import { openVisitorStreams } from './visitorstream.ts';
import { addWidgetFiles } from './widgetfiles.ts';
import { addWidgetRoutes } from './widgets.routes.ts';

export type { BotRules } from './bot.ts';
export { logCall, type NewCall } from './calls.ts';
export { createChatbot, updateChatbot } from './chatbots.ts';
export { endSession } from './conversation.ts';
export { writeEndings } from './endings.ts';
export { addMessage } from './messages.ts';
export { findWidget, openSession } from './visitors.ts';

/** The agent console, as it was built. */
export const webFolder = join(import.meta.dirname, '..', 'web');
/** The widget, as it was built. */
export const widgetFolder = join(import.meta.dirname, '..', 'widget');

/** Starts Support's server on port 4200, or the next free one. @throws ConfigurationError, DatabaseUnavailable */
export function startSupport(options: ServerOptions = {}): Promise<Served> {
  let live: Live | undefined;
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
      web: join(webFolder, 'dist'),
      signals: (listener) => live?.listen(listener) ?? (() => {}),
      addRoutes(app, db, context) {
        live = openLive(db, context.closing);
        const door = openVisitorDoor(app, db, context);
        const streams = openVisitorStreams(db, live, context);
        addVisitorRoutes(app, db, { door, live });
        addVisitorMessageRoutes(app, db, { door, live, streams });
        addWidgetFiles(app, join(widgetFolder, 'dist'), context.webBuilt);
        addSessionRoutes(app, db, live);
        addInboxRoutes(app, db);
        addChatbotRoutes(app, db);
        addAgentRoutes(app, db);
        addWidgetRoutes(app, db, context);
        addCannedAnswerRoutes(app, db);
        addCallRoutes(app, db);
        addSearchRoutes(app, db);
        const readContext = contextReader(db, context.variables, context.log);
        addContextRoutes(app, readContext);
        addPanelRoutes(app, db, readContext);
      },
    },
    options,
  );
}
