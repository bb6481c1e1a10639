import { ownZone } from '@aether/ui/reports/spans.ts';
import { useQuery } from '@tanstack/react-query';
import { pipelinesQuery } from '../api/pipelines.ts';
import { reportSettingsQuery } from '../api/reports.ts';
import { customFieldsQuery, usersQuery } from '../api/settings.ts';
import { tagsQuery } from '../api/tags.ts';
import { tiersQuery } from '../api/tiers.ts';
import type { Known } from './conditions.ts';

/** What the words of a filter need to know, as far as it has been loaded. */
export function useKnown(): Known {
  const { data: fields } = useQuery(customFieldsQuery('customer'));
  const { data: tags } = useQuery(tagsQuery);
  const { data: tiers } = useQuery(tiersQuery);
  const { data: users } = useQuery(usersQuery);
  const { data: pipelines } = useQuery(pipelinesQuery);
  const { data: reporting } = useQuery(reportSettingsQuery(ownZone()));
  return {
    fields: fields?.custom_fields,
    tags: tags?.tags ?? [],
    tiers: tiers?.tiers ?? [],
    users: users?.users ?? [],
    pipelines: pipelines?.pipelines ?? [],
    currency: reporting?.currency,
  };
}
