import { Broken } from '@aether/ui/Broken.tsx';
import { readChangesSearch } from '@aether/ui/changes/search.ts';
import { client } from '@aether/ui/client.ts';
import { Nothing } from '@aether/ui/Notice.tsx';
import { lazyPage } from '@aether/ui/parts/lazy.tsx';
import { meQuery } from '@aether/ui/signin.ts';
import { createRootRoute, createRoute, createRouter, Link, redirect } from '@tanstack/react-router';
import { readAccessSearch } from './access/search.ts';
import { readAlertSearch } from './alerts/search.ts';
import { readAppsSearch } from './apps/search.ts';
import { readCustomerSearch, readCustomersSearch } from './customer/search.ts';
import { readDuplicatesSearch } from './duplicates/search.ts';
import { readEventsSearch } from './events/search.ts';
import { readFailedSearch, readFailuresSearch } from './failures/search.ts';
import { readHealthSearch } from './health/search.ts';
import { readMappingSearch, readRunSearch } from './imports/search.ts';
import { readMergeSearch } from './merges/search.ts';
import { readQualitySearch } from './quality/search.ts';
import { ConsoleShell } from './shell/ConsoleShell.tsx';
import { readSubscriptionSearch } from './subscriptions/search.ts';
import { readWebhookSearch, readWebhooksSearch } from './webhooks/search.ts';

const root = createRootRoute({
  beforeLoad: () => client.ensureQueryData(meQuery),
  component: ConsoleShell,
  errorComponent: Broken,
  notFoundComponent: () => (
    <Nothing title="There is no such page" action={<Link to="/health">To the health of the house</Link>}>
      The address may be mistyped, or the page was moved.
    </Nothing>
  ),
});

const route = <Path extends string>(path: Path) => ({ getParentRoute: () => root, path });

const routes = [
  createRoute({
    ...route('/'),
    beforeLoad: () => {
      throw redirect({ to: '/health', replace: true });
    },
  }),
  createRoute({
    ...route('/health'),
    validateSearch: readHealthSearch,
    component: lazyPage(() => import('./health/HealthPage.tsx'), 'HealthPage'),
  }),
  createRoute({
    ...route('/failures'),
    validateSearch: readFailuresSearch,
    component: lazyPage(() => import('./failures/FailuresPage.tsx'), 'FailuresPage'),
  }),
  createRoute({
    ...route('/failures/$subscription'),
    validateSearch: readFailedSearch,
    component: lazyPage(() => import('./failures/FailedPage.tsx'), 'FailedPage'),
  }),
  createRoute({
    ...route('/failures/$subscription/$position'),
    component: lazyPage(() => import('./failures/StoppedPage.tsx'), 'StoppedPage'),
  }),
  createRoute({
    ...route('/subscriptions'),
    component: lazyPage(() => import('./subscriptions/SubscriptionsPage.tsx'), 'SubscriptionsPage'),
  }),
  createRoute({
    ...route('/subscriptions/$name'),
    validateSearch: readSubscriptionSearch,
    component: lazyPage(() => import('./subscriptions/SubscriptionPage.tsx'), 'SubscriptionPage'),
  }),
  createRoute({
    ...route('/consumers'),
    component: lazyPage(() => import('./consumers/ConsumersPage.tsx'), 'ConsumersPage'),
  }),
  createRoute({
    ...route('/changes'),
    validateSearch: readChangesSearch,
    component: lazyPage(() => import('./changes/ChangesPage.tsx'), 'ChangesPage'),
  }),
  createRoute({
    ...route('/webhooks'),
    validateSearch: readWebhooksSearch,
    component: lazyPage(() => import('./webhooks/WebhooksPage.tsx'), 'WebhooksPage'),
  }),
  createRoute({
    ...route('/webhooks/$name'),
    validateSearch: readWebhookSearch,
    component: lazyPage(() => import('./webhooks/WebhookPage.tsx'), 'WebhookPage'),
  }),
  createRoute({
    ...route('/apps'),
    validateSearch: readAppsSearch,
    component: lazyPage(() => import('./apps/AppsPage.tsx'), 'AppsPage'),
  }),
  createRoute({
    ...route('/events'),
    validateSearch: readEventsSearch,
    component: lazyPage(() => import('./events/EventsPage.tsx'), 'EventsPage'),
  }),
  createRoute({
    ...route('/events/$position'),
    component: lazyPage(() => import('./events/EventPage.tsx'), 'EventPage'),
  }),
  createRoute({
    ...route('/quality'),
    validateSearch: readQualitySearch,
    component: lazyPage(() => import('./quality/QualityPage.tsx'), 'QualityPage'),
  }),
  createRoute({
    ...route('/imports'),
    component: lazyPage(() => import('./imports/ImportsPage.tsx'), 'ImportsPage'),
  }),
  createRoute({
    ...route('/imports/new'),
    validateSearch: readMappingSearch,
    component: lazyPage(() => import('./imports/MappingPage.tsx'), 'MappingPage'),
  }),
  createRoute({
    ...route('/imports/$run'),
    validateSearch: readRunSearch,
    component: lazyPage(() => import('./imports/RunPage.tsx'), 'RunPage'),
  }),
  createRoute({
    ...route('/duplicates'),
    validateSearch: readDuplicatesSearch,
    component: lazyPage(() => import('./duplicates/DuplicatesPage.tsx'), 'DuplicatesPage'),
  }),
  createRoute({
    ...route('/duplicates/$id'),
    validateSearch: readDuplicatesSearch,
    component: lazyPage(() => import('./duplicates/ClusterPage.tsx'), 'ClusterPage'),
  }),
  createRoute({
    ...route('/merges'),
    component: lazyPage(() => import('./merges/MergesPage.tsx'), 'MergesPage'),
  }),
  createRoute({
    ...route('/merges/new'),
    validateSearch: readMergeSearch,
    component: lazyPage(() => import('./merges/NewMergePage.tsx'), 'NewMergePage'),
  }),
  createRoute({
    ...route('/merges/$id'),
    component: lazyPage(() => import('./merges/MergePage.tsx'), 'MergePage'),
  }),
  createRoute({
    ...route('/customers'),
    validateSearch: readCustomersSearch,
    component: lazyPage(() => import('./customer/CustomersPage.tsx'), 'CustomersPage'),
  }),
  createRoute({
    ...route('/customers/$id'),
    validateSearch: readCustomerSearch,
    component: lazyPage(() => import('./customer/CustomerPage.tsx'), 'CustomerPage'),
  }),
  createRoute({
    ...route('/privacy'),
    component: lazyPage(() => import('./privacy/PrivacyPage.tsx'), 'PrivacyPage'),
  }),
  createRoute({
    ...route('/privacy/lists'),
    component: lazyPage(() => import('./privacy/ListsPage.tsx'), 'ListsPage'),
  }),
  createRoute({
    ...route('/privacy/lists/$id'),
    component: lazyPage(() => import('./privacy/JobPage.tsx'), 'JobPage'),
  }),
  createRoute({
    ...route('/privacy/receipts'),
    component: lazyPage(() => import('./privacy/ReceiptsPage.tsx'), 'ReceiptsPage'),
  }),
  createRoute({
    ...route('/privacy/receipts/$id'),
    component: lazyPage(() => import('./privacy/ReceiptPage.tsx'), 'ReceiptPage'),
  }),
  createRoute({
    ...route('/privacy/holds'),
    component: lazyPage(() => import('./privacy/HoldsPage.tsx'), 'HoldsPage'),
  }),
  createRoute({
    ...route('/privacy/kept-away'),
    component: lazyPage(() => import('./privacy/SuppressionPage.tsx'), 'SuppressionPage'),
  }),
  createRoute({
    ...route('/privacy/retention'),
    component: lazyPage(() => import('./privacy/RetentionPage.tsx'), 'RetentionPage'),
  }),
  createRoute({
    ...route('/access'),
    validateSearch: readAccessSearch,
    component: lazyPage(() => import('./access/AccessPage.tsx'), 'AccessPage'),
  }),
  createRoute({
    ...route('/alerts'),
    validateSearch: readAlertSearch,
    component: lazyPage(() => import('./alerts/AlertsPage.tsx'), 'AlertsPage'),
  }),
  createRoute({
    ...route('/runbooks/$kind'),
    component: lazyPage(() => import('./runbooks/RunbookPage.tsx'), 'RunbookPage'),
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
