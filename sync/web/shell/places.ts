import {
  IconApps,
  IconArrowMerge,
  IconBell,
  IconBolt,
  IconBroadcast,
  IconCopyCheck,
  IconExclamationCircle,
  IconFileImport,
  IconHeartbeat,
  IconHistory,
  IconKey,
  IconPlugConnected,
  IconShieldLock,
  IconSparkles,
  IconUserSearch,
  IconWebhook,
} from '@tabler/icons-react';

/**
 * The places of the console, in order. The navigation, the palette, the keys and the tests that look at every page come from this list;
 * router.tsx has the page of each.
 */
export const places = [
  { to: '/health', label: 'Health', keys: 'g h', icon: IconHeartbeat },
  { to: '/failures', label: 'Failures', keys: 'g f', icon: IconExclamationCircle },
  { to: '/subscriptions', label: 'Subscriptions', keys: 'g s', icon: IconPlugConnected },
  { to: '/consumers', label: 'Consumers', keys: 'g b', icon: IconBroadcast },
  { to: '/webhooks', label: 'Webhooks', keys: 'g w', icon: IconWebhook },
  { to: '/apps', label: 'Apps', keys: 'g t', icon: IconApps },
  { to: '/events', label: 'Events', keys: 'g e', icon: IconBolt },
  { to: '/quality', label: 'Data quality', keys: 'g q', icon: IconSparkles },
  { to: '/imports', label: 'Imports', keys: 'g i', icon: IconFileImport },
  { to: '/duplicates', label: 'Duplicates', keys: 'g d', icon: IconCopyCheck },
  { to: '/merges', label: 'Merges', keys: 'g m', icon: IconArrowMerge },
  { to: '/customers', label: 'Customers', keys: 'g c', icon: IconUserSearch },
  { to: '/privacy', label: 'Privacy', keys: 'g p', icon: IconShieldLock },
  { to: '/access', label: 'Access', keys: 'g a', icon: IconKey },
  { to: '/alerts', label: 'Alerts', keys: 'g l', icon: IconBell },
  { to: '/changes', label: 'Changes', keys: 'g n', icon: IconHistory },
] as const;
