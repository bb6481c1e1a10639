import { send } from '@aether/ui/request.ts';
import { hc } from 'hono/client';
import type { addAgentRoutes } from '../../server/agents/agents.routes.ts';
import type { addCallRoutes } from '../../server/calls/calls.routes.ts';
import type { addChatbotRoutes } from '../../server/chatbots/chatbots.routes.ts';
import type { addPanelRoutes } from '../../server/context/panel.routes.ts';
import type { addTierRoutes } from '../../server/context/tiers.routes.ts';
import type { addCannedAnswerRoutes } from '../../server/conversations/cannedanswers.ts';
import type { addInboxRoutes } from '../../server/conversations/inbox.routes.ts';
import type { addSessionRoutes } from '../../server/conversations/sessions.routes.ts';
import type { addCustomerRoutes } from '../../server/customers/customers.routes.ts';
import type { addCallMoveRoutes, addSessionMoveRoutes } from '../../server/moves/moves.routes.ts';
import type { addNoticeRoutes } from '../../server/notices.ts';
import type { addSearchRoutes } from '../../server/search.ts';
import type { addSharingRoutes } from '../../server/sharing.ts';
import type { addTextSearchRoutes } from '../../server/textsearch.ts';
import type { addWidgetRoutes } from '../../server/widgets/widgets.routes.ts';

// One client for each family of routes: the compiler takes many times longer for one client of all routes.
const options = { fetch: send };

export const { agents, users } = hc<ReturnType<typeof addAgentRoutes>>('/', options).api;
export const { calls } = hc<ReturnType<typeof addCallRoutes>>('/', options).api;
export const { 'canned-answers': cannedAnswers } = hc<ReturnType<typeof addCannedAnswerRoutes>>('/', options).api;
export const { chatbots } = hc<ReturnType<typeof addChatbotRoutes>>('/', options).api;
export const { calls: movedCalls } = hc<ReturnType<typeof addCallMoveRoutes>>('/', options).api;
export const { sessions: movedSessions } = hc<ReturnType<typeof addSessionMoveRoutes>>('/', options).api;
export const { inbox } = hc<ReturnType<typeof addInboxRoutes>>('/', options).api;
export const { customers: customerList } = hc<ReturnType<typeof addCustomerRoutes>>('/', options).api;
export const { customers, sessions: panels } = hc<ReturnType<typeof addPanelRoutes>>('/', options).api;
export const { sessions: mentionable } = hc<ReturnType<typeof addNoticeRoutes>>('/', options).api;
export const { search } = hc<ReturnType<typeof addSearchRoutes>>('/', options).api;
export const { sessions } = hc<ReturnType<typeof addSessionRoutes>>('/', options).api;
export const { sharing } = hc<ReturnType<typeof addSharingRoutes>>('/', options).api;
export const { search: textSearch } = hc<ReturnType<typeof addTextSearchRoutes>>('/', options).api;
export const { tiers } = hc<ReturnType<typeof addTierRoutes>>('/', options).api;
export const { widgets } = hc<ReturnType<typeof addWidgetRoutes>>('/', options).api;
