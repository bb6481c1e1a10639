import { LastChanged } from '@aether/ui/changes/LastChanged.tsx';
import { ErrorNotice } from '@aether/ui/Notice.tsx';
import { PageHead } from '@aether/ui/Shell.tsx';
import { TagSettings } from '@aether/ui/TagSettings.tsx';
import { Waiting } from '@aether/ui/Waiting.tsx';
import { useQuery } from '@tanstack/react-query';
import { changeTag, countTagged, createTag, deleteTag, tagsQuery } from '../api/tags.ts';
import { NoAgent } from '../shell/NoAgent.tsx';
import { useMe } from '../shell/person.ts';
import classes from './settings.module.css';

const calls = {
  make: createTag,
  change: changeTag,
  count: (id: number) => countTagged(id).then(({ conversations }) => conversations),
  remove: deleteTag,
};

/** The tags of conversations: every agent makes them, administrators rename and remove them. */
export function TagsPage() {
  const me = useMe();
  const { data, error, refetch } = useQuery(tagsQuery);
  if (!me.agent) return <NoAgent />;
  return (
    <>
      <PageHead title="Tags" />
      <div className={classes.page}>
        <p className={classes.intro}>
          Words that agents put on conversations to find them together. Every agent makes tags; administrators give them
          another name or colour, or remove them.
        </p>
        <LastChanged kind="tag" />
        {error && !data && <ErrorNotice title="The tags could not be loaded" error={error} onRetry={refetch} />}
        {!data && !error && <Waiting lines={5} />}
        {data && (
          <TagSettings tags={data.tags} calls={calls} records="conversations" classes={classes} mayEdit={me.isAdmin} />
        )}
      </div>
    </>
  );
}
