import { ErrorNotice, Nothing } from '@aether/ui/Notice.tsx';
import { PageHead } from '@aether/ui/Shell.tsx';
import { Waiting } from '@aether/ui/Waiting.tsx';
import { Button } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import parts from '../parts/parts.module.css';
import { useMe } from '../shell/person.ts';
import { MergeList } from './MergeList.tsx';
import { mergesQuery } from './queries.ts';
import { StewardOnly } from './StewardOnly.tsx';

/** The latest merges, and the way to a new one. */
export function MergesPage() {
  const { isSteward } = useMe();
  const { data, error, refetch } = useQuery({ ...mergesQuery, enabled: isSteward });
  return (
    <StewardOnly>
      <PageHead title="Merges" detail="records of one person that became one">
        <Button component={Link} to="/merges/new">
          Merge customers…
        </Button>
      </PageHead>
      <div className={parts.page}>
        {error && <ErrorNotice title="The merges could not be read" error={error} onRetry={refetch} />}
        {!data && !error && <Waiting />}
        {data?.merges.length === 0 && (
          <Nothing title="Nobody was merged yet">
            Two records of one person become one, and can be taken apart again as they were.
          </Nothing>
        )}
        {data && data.merges.length > 0 && <MergeList merges={data.merges} />}
      </div>
    </StewardOnly>
  );
}
