import { useQuery } from '@tanstack/react-query';
import { openAlertsQuery } from '../api/alerts.ts';

/** How many open alerts nobody has acknowledged, beside the place in the navigation. */
export function OpenAlerts() {
  const { data } = useQuery(openAlertsQuery);
  if (!data || data.unseen === 0) return null;
  return (
    <span style={{ marginInlineStart: 'auto', fontSize: '0.75rem', fontWeight: 600 }} title="Open, and seen by nobody">
      {data.unseen} new
    </span>
  );
}
