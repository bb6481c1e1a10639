import { formatAgo } from '@aether/ui/formats.ts';
import { send } from '@aether/ui/request.ts';
import { PageHead } from '@aether/ui/Shell.tsx';
import { Text } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';

/** Whether the console can work: the server's own check of its database. */
export function HealthPage() {
  const { data, dataUpdatedAt } = useQuery({
    queryKey: ['ready'],
    queryFn: ({ signal }) => send('/readyz', { signal }).then(({ ok }) => ok),
    refetchInterval: 2_000,
  });
  return (
    <>
      <PageHead title="Health" detail={dataUpdatedAt ? formatAgo(new Date(dataUpdatedAt).toISOString()) : undefined} />
      {data !== undefined && (
        <Text p="md">
          {data ? 'The database answers, and its migrations are right.' : 'The database does not answer.'}
        </Text>
      )}
    </>
  );
}
