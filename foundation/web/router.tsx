import { Broken } from '@aether/ui/Broken.tsx';
import { readChangesSearch } from '@aether/ui/changes/search.ts';
import { client } from '@aether/ui/client.ts';
import { readInboxSearch } from '@aether/ui/inbox/search.ts';
import { Nothing } from '@aether/ui/Notice.tsx';
import { lazyPage } from '@aether/ui/parts/lazy.tsx';
import { meQuery } from '@aether/ui/signin.ts';
import { createRootRoute, createRoute, createRouter, Link, redirect } from '@tanstack/react-router';
import { readCompanyPageSearch, readCompanySearch } from './companies/search.ts';
import { readTimelineSearch } from './customer/search.ts';
import { readCustomerSearch } from './customers/search.ts';
import { readBoardSearch } from './deals/search.ts';
import { readReportSearch } from './reports/search.ts';
import { FoundationShell } from './shell/FoundationShell.tsx';
import { readTaskSearch } from './tasks/search.ts';
import { readSearch } from './texts/kinds.ts';

const root = createRootRoute({
  beforeLoad: () => client.ensureQueryData(meQuery),
  component: FoundationShell,
  errorComponent: Broken,
  notFoundComponent: () => (
    <Nothing title="There is no such page" action={<Link to="/customers">To the customers</Link>}>
      The address may be mistyped, or the page was moved.
    </Nothing>
  ),
});

const route = <Path extends string>(path: Path) => ({ getParentRoute: () => root, path });

const routes = [
  createRoute({
    ...route('/'),
    beforeLoad: () => {
      throw redirect({ to: '/customers', replace: true });
    },
  }),
  createRoute({
    ...route('/customers'),
    validateSearch: readCustomerSearch,
    component: lazyPage(() => import('./customers/CustomersPage.tsx'), 'CustomersPage'),
  }),
  createRoute({
    ...route('/customers/$id'),
    validateSearch: readTimelineSearch,
    component: lazyPage(() => import('./customer/CustomerPage.tsx'), 'CustomerPage'),
  }),
  createRoute({
    ...route('/deals'),
    validateSearch: readBoardSearch,
    component: lazyPage(() => import('./deals/DealsPage.tsx'), 'DealsPage'),
  }),
  createRoute({
    ...route('/deals/$id'),
    component: lazyPage(() => import('./deals/DealPage.tsx'), 'DealPage'),
  }),
  createRoute({
    ...route('/companies'),
    validateSearch: readCompanySearch,
    component: lazyPage(() => import('./companies/CompaniesPage.tsx'), 'CompaniesPage'),
  }),
  createRoute({
    ...route('/companies/$id'),
    validateSearch: readCompanyPageSearch,
    component: lazyPage(() => import('./companies/CompanyPage.tsx'), 'CompanyPage'),
  }),
  createRoute({
    ...route('/tasks'),
    validateSearch: readTaskSearch,
    component: lazyPage(() => import('./tasks/TasksPage.tsx'), 'TasksPage'),
  }),
  createRoute({
    ...route('/reports'),
    validateSearch: readReportSearch,
    component: lazyPage(() => import('./reports/ReportsPage.tsx'), 'ReportsPage'),
  }),
  createRoute({
    ...route('/inbox'),
    validateSearch: readInboxSearch,
    component: lazyPage(() => import('./shell/InboxPage.tsx'), 'InboxPage'),
  }),
  createRoute({
    ...route('/search'),
    validateSearch: readSearch,
    component: lazyPage(() => import('./texts/TextsPage.tsx'), 'TextsPage'),
  }),
  createRoute({
    ...route('/settings/fields'),
    component: lazyPage(() => import('./settings/FieldsPage.tsx'), 'FieldsPage'),
  }),
  createRoute({
    ...route('/settings/currencies'),
    component: lazyPage(() => import('./settings/CurrenciesPage.tsx'), 'CurrenciesPage'),
  }),
  createRoute({
    ...route('/settings/loss-reasons'),
    component: lazyPage(() => import('./settings/LossReasonsPage.tsx'), 'LossReasonsPage'),
  }),
  createRoute({
    ...route('/settings/pipelines'),
    component: lazyPage(() => import('./settings/PipelinesPage.tsx'), 'PipelinesPage'),
  }),
  createRoute({
    ...route('/settings/tags'),
    component: lazyPage(() => import('./settings/TagsPage.tsx'), 'TagsPage'),
  }),
  createRoute({
    ...route('/settings/tiers'),
    component: lazyPage(() => import('./settings/TiersPage.tsx'), 'TiersPage'),
  }),
  createRoute({
    ...route('/settings/changes'),
    validateSearch: readChangesSearch,
    component: lazyPage(() => import('./settings/ChangesPage.tsx'), 'ChangesPage'),
  }),
  createRoute({
    ...route('/settings/users'),
    component: lazyPage(() => import('./settings/UsersPage.tsx'), 'UsersPage'),
  }),
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
