import { Broken } from '@aether/ui/Broken.tsx';
import { readChangesSearch } from '@aether/ui/changes/search.ts';
import { client } from '@aether/ui/client.ts';
import { readInboxSearch } from '@aether/ui/inbox/search.ts';
import { Nothing } from '@aether/ui/Notice.tsx';
import { lazyPage } from '@aether/ui/parts/lazy.tsx';
import { meQuery } from '@aether/ui/signin.ts';
import { createRootRoute, createRoute, createRouter, Link, redirect } from '@tanstack/react-router';
import { ownAgentQuery } from './api/agents.ts';
import { readDeskSearch } from './desk/search.ts';
import { readListSearch, readReportSearch } from './reports/search.ts';
import { SupportShell } from './shell/SupportShell.tsx';
import { readSearch } from './texts/kinds.ts';

const root = createRootRoute({
  beforeLoad: async () => {
    await client.ensureQueryData(meQuery);
    await client.ensureQueryData(ownAgentQuery);
  },
  component: SupportShell,
  errorComponent: Broken,
  notFoundComponent: () => (
    <Nothing title="There is no such page" action={<Link to="/inbox">To the inbox</Link>}>
      The address may be mistyped, or the page was moved.
    </Nothing>
  ),
});

const route = <Path extends string>(path: Path) => ({ getParentRoute: () => root, path });

const desk = createRoute({
  getParentRoute: () => root,
  id: 'desk',
  validateSearch: readDeskSearch,
  component: lazyPage(() => import('./desk/DeskPage.tsx'), 'DeskPage'),
});

const settings = {
  agents: lazyPage(() => import('./settings/AgentsPage.tsx'), 'AgentsPage'),
  teams: lazyPage(() => import('./settings/TeamsPage.tsx'), 'TeamsPage'),
  team: lazyPage(() => import('./settings/TeamPage.tsx'), 'TeamPage'),
  widgets: lazyPage(() => import('./settings/WidgetsPage.tsx'), 'WidgetsPage'),
  widget: lazyPage(() => import('./settings/WidgetPage.tsx'), 'WidgetPage'),
  chatbots: lazyPage(() => import('./settings/ChatbotsPage.tsx'), 'ChatbotsPage'),
  chatbot: lazyPage(() => import('./settings/ChatbotPage.tsx'), 'ChatbotPage'),
  sharing: lazyPage(() => import('./settings/SharingPage.tsx'), 'SharingPage'),
  tags: lazyPage(() => import('./settings/TagsPage.tsx'), 'TagsPage'),
  changes: lazyPage(() => import('./settings/ChangesPage.tsx'), 'ChangesPage'),
  canned: lazyPage(() => import('./settings/CannedPage.tsx'), 'CannedPage'),
};

const routes = [
  createRoute({
    ...route('/'),
    beforeLoad: () => {
      throw redirect({ to: '/inbox', replace: true });
    },
  }),
  desk.addChildren([
    createRoute({ getParentRoute: () => desk, path: '/inbox' }),
    createRoute({ getParentRoute: () => desk, path: '/sessions/$id' }),
  ]),
  createRoute({
    ...route('/customers'),
    component: lazyPage(() => import('./customers/CustomersPage.tsx'), 'CustomersPage'),
  }),
  createRoute({
    ...route('/customers/$id'),
    component: lazyPage(() => import('./customers/CustomerPage.tsx'), 'CustomerPage'),
  }),
  createRoute({
    ...route('/notices'),
    validateSearch: readInboxSearch,
    component: lazyPage(() => import('./shell/NoticesPage.tsx'), 'NoticesPage'),
  }),
  createRoute({
    ...route('/calls'),
    validateSearch: (search: Record<string, unknown>): { log?: true } =>
      search.log === true || search.log === 'true' ? { log: true } : {},
    component: lazyPage(() => import('./calls/CallsPage.tsx'), 'CallsPage'),
  }),
  createRoute({
    ...route('/reports'),
    validateSearch: readReportSearch,
    component: lazyPage(() => import('./reports/ReportsPage.tsx'), 'ReportsPage'),
  }),
  createRoute({
    ...route('/reports/conversations'),
    validateSearch: readListSearch,
    component: lazyPage(() => import('./reports/ConversationsPage.tsx'), 'ConversationsPage'),
  }),
  createRoute({
    ...route('/search'),
    validateSearch: readSearch,
    component: lazyPage(() => import('./texts/TextsPage.tsx'), 'TextsPage'),
  }),
  createRoute({ ...route('/settings/agents'), component: settings.agents }),
  createRoute({ ...route('/settings/teams'), component: settings.teams }),
  createRoute({ ...route('/settings/teams/$id'), component: settings.team }),
  createRoute({ ...route('/settings/widgets'), component: settings.widgets }),
  createRoute({ ...route('/settings/widgets/$id'), component: settings.widget }),
  createRoute({ ...route('/settings/chatbots'), component: settings.chatbots }),
  createRoute({ ...route('/settings/chatbots/$id'), component: settings.chatbot }),
  createRoute({ ...route('/settings/sharing'), component: settings.sharing }),
  createRoute({ ...route('/settings/tags'), component: settings.tags }),
  createRoute({ ...route('/settings/canned-answers'), component: settings.canned }),
  createRoute({ ...route('/settings/changes'), validateSearch: readChangesSearch, component: settings.changes }),
] as const;

export const router = createRouter({
  routeTree: root.addChildren(routes),
  defaultErrorComponent: Broken, // in the place of the page: the shell stays
  defaultPreload: 'intent',
  scrollRestoration: false,
});

declare module '@tanstack/react-router' {
  interface Register {
    router: typeof router;
  }
}
