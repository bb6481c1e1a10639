import { join } from 'node:path';
import { openFiles } from '@aether/files';
import { addSettingChangeRoutes, type Served, type ServerOptions, startServer } from '@aether/http';
import { addMailRoutes, openMail, readMailSettings } from '@aether/mail';
import type { PlatformDb } from '@aether/platform';
import { addSignIn } from '@aether/signin';
import packageJson from '../package.json' with { type: 'json' };
import { addAgentRoutes } from './agents/agents.routes.ts';
import { addCallRoutes } from './calls/calls.routes.ts';
import { addChatbotRoutes } from './chatbots/chatbots.routes.ts';
import { supportCodes } from './codes.ts';
import { addContextRoutes } from './context/context.routes.ts';
import { contextReader } from './context/context.ts';
import { addPanelRoutes } from './context/panel.routes.ts';
import { addTierRoutes } from './context/tiers.routes.ts';
import { addSessionActRoutes } from './conversations/acts.routes.ts';
import { addCannedAnswerRoutes } from './conversations/cannedanswers.ts';
import { addConversationFileRoutes } from './conversations/files.routes.ts';
import { openHearing } from './conversations/hearing.ts';
import { addInboxRoutes } from './conversations/inbox.routes.ts';
import { type Live, openLive } from './conversations/live.ts';
import { addMailFileRoutes } from './conversations/mailfiles.routes.ts';
import { keepMails } from './conversations/mails.ts';
import { requireReaderOf } from './conversations/readers.ts';
import { addSessionRoutes } from './conversations/sessions.routes.ts';
import { addCustomerRoutes } from './customers/customers.routes.ts';
import { addCallMoveRoutes, addSessionMoveRoutes } from './moves/moves.routes.ts';
import { addNoticeRoutes } from './notices.ts';
import { addRatingRoutes } from './ratings/ratings.routes.ts';
import { addReportRoutes } from './reports/reports.routes.ts';
import { supportScopes } from './scopes.ts';
import { addSearchRoutes } from './search.ts';
import { readSupportSettings } from './settings.ts';
import { addSharingRoutes } from './sharing.ts';
import { addTagRoutes } from './tags/tags.routes.ts';
import { addTeamRoutes } from './teams/teams.routes.ts';
import { takeTurns } from './teams/turns.ts';
import { addTextSearchRoutes } from './textsearch.ts';
import { addViewRoutes } from './views/views.routes.ts';
import { addVisitorRoutes } from './visitors/visitor.routes.ts';
import { openVisitorDoor } from './visitors/visitordoor.ts';
import { addVisitorMessageRoutes } from './visitors/visitormessages.routes.ts';
import { openVisitorStreams } from './visitors/visitorstream.ts';
import { addWidgetFiles } from './widgets/widgetfiles.ts';
import { addWidgetRoutes } from './widgets/widgets.routes.ts';

export { logCall, type NewCall } from './calls/calls.ts';
export type { BotRules } from './chatbots/bot.ts';
export { createChatbot, updateChatbot } from './chatbots/chatbots.ts';
export { endSession } from './conversations/conversation.ts';
export { writeEndings } from './conversations/endings.ts';
export { addMessage } from './conversations/messages.ts';
export { createTeam } from './teams/teams.ts';
export { openTextSearch } from './textsearch.ts';
export { findWidget, openSession } from './visitors/visitors.ts';

/** The folder of the built agent console. */
export const webFolder = join(import.meta.dirname, '..', 'web');
/** The folder of the built widget. */
export const widgetFolder = join(import.meta.dirname, '..', 'widget');

/**
 * Starts Support's server on port 4200, or the next free one.
 *
 * @param options `turnEveryMs`: how long to wait between two looks at what conversations need by themselves
 * @throws ConfigurationError, DatabaseUnavailable
 */
export function startSupport({
  turnEveryMs,
  ...options
}: ServerOptions & { turnEveryMs?: number } = {}): Promise<Served> {
  let live: Live | undefined;
  let rings: PlatformDb['signals'] | undefined;
  return startServer(
    {
      app: 'support',
      title: 'Aether Support',
      version: packageJson.version,
      description:
        'The support desk. The routes of a visitor’s widget are open to all; the others are for staff. Every refusal is problem+json and says what to do next.',
      portDefault: 4200,
      rights: supportScopes,
      problems: supportCodes,
      addSignIn,
      web: join(webFolder, 'dist'),
      openHearing,
      signals(listener) {
        const leave = live?.listen(listener);
        // Those of conversations come with names, by `live`.
        const unlisten = rings?.listen((signal) => signal.kind === 'notices' && listener(signal));
        return () => {
          leave?.();
          unlisten?.();
        };
      },
      addRoutes(app, db, context) {
        rings = db.signals;
        live = openLive(db, context.closing);
        takeTurns(db, live, context, turnEveryMs);
        const door = openVisitorDoor(app, db, context);
        const streams = openVisitorStreams(db, live, {
          closing: context.closing,
          streamsMax: readSupportSettings(context.variables, context.publicUrl).visitorStreamsMax,
        });
        addVisitorRoutes(app, db, { door, live });
        addVisitorMessageRoutes(app, db, { door, live, streams });
        addRatingRoutes(app, db, { door, live });
        addWidgetFiles(app, join(widgetFolder, 'dist'), context.webBuilt);
        const files = openFiles(db, context);
        addConversationFileRoutes(app, db, { door, files });
        addMailFileRoutes(app, db, files);
        const { opensWidget, attachedBytesMax } = readMailSettings(context.variables);
        const keeper = keepMails(db, { live: () => live, files, url: context.url, opensWidget, attachedBytesMax });
        addMailRoutes(app, db, openMail(db, context, keeper), {
          rights: { read: 'conversations.read', write: 'person' },
          requireReader: (c, id) => requireReaderOf(db, c.get('caller'), id),
        });
        addSessionRoutes(app, db, live);
        addSessionActRoutes(app, db, live);
        addTagRoutes(app, db);
        addViewRoutes(app, db);
        addInboxRoutes(app, db);
        addNoticeRoutes(app, db);
        addSettingChangeRoutes(app, db);
        addReportRoutes(app, db);
        addChatbotRoutes(app, db);
        addAgentRoutes(app, db);
        addWidgetRoutes(app, db, context);
        addTeamRoutes(app, db);
        addCannedAnswerRoutes(app, db);
        addCallRoutes(app, db);
        addSharingRoutes(app, db);
        addCustomerRoutes(app, db);
        addSessionMoveRoutes(app, db);
        addCallMoveRoutes(app, db);
        addSearchRoutes(app, db);
        addTextSearchRoutes(app, db);
        const readContext = contextReader(db, context.variables, context.log);
        addContextRoutes(app, readContext);
        addPanelRoutes(app, db, readContext);
        addTierRoutes(app, db);
      },
    },
    options,
  );
}
