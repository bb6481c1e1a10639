import { LastChanged } from '@aether/ui/changes/LastChanged.tsx';
import { ErrorNotice } from '@aether/ui/Notice.tsx';
import { PageHead } from '@aether/ui/Shell.tsx';
import { TagSettings } from '@aether/ui/TagSettings.tsx';
import { Waiting } from '@aether/ui/Waiting.tsx';
import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { changeTag, countTagged, createTag, deleteTag, tagsQuery } from '../api/tags.ts';
import { AdminOnly } from './AdminOnly.tsx';
import classes from './settings.module.css';

const calls = {
  make: createTag,
  change: changeTag,
  count: (id: number) => countTagged(id).then(({ customers }) => customers),
  remove: deleteTag,
};

/** The tags of customers, for administrators. */
export function TagsPage() {
  return (
    <AdminOnly>
      <PageHead title="Tags" />
      <div className={classes.page}>
        <p className={classes.intro}>
          Words that people put on customers to find them together. Everybody makes tags while they use them; here they
          get another name or colour, or go.
        </p>
        <LastChanged kind="tag" />
        <TagList />
      </div>
    </AdminOnly>
  );
}

function TagList() {
  const { data, error, refetch } = useQuery(tagsQuery);
  if (error && !data) return <ErrorNotice title="The tags could not be loaded" error={error} onRetry={refetch} />;
  if (!data) return <Waiting lines={5} />;
  return (
    <TagSettings
      tags={data.tags}
      calls={calls}
      records="customers"
      classes={classes}
      draw={(tag, shown) => (
        <Link to="/customers" search={{ tag: tag.id }}>
          {shown}
        </Link>
      )}
    />
  );
}
