import { LastChanged } from '@aether/ui/changes/LastChanged.tsx';
import { ErrorNotice } from '@aether/ui/Notice.tsx';
import { Picker } from '@aether/ui/Picker.tsx';
import { PageHead } from '@aether/ui/Shell.tsx';
import { showRefusal, showUndo } from '@aether/ui/toasts.tsx';
import { Waiting } from '@aether/ui/Waiting.tsx';
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import type { Sharing } from '../api/records.ts';
import { changeSharing, sharingQuery } from '../api/sharing.ts';
import { NoAgent } from '../shell/NoAgent.tsx';
import { useMe } from '../shell/person.ts';
import { ReadOnly } from './ReadOnly.tsx';
import classes from './settings.module.css';

const readers: Record<Sharing['readers'], string> = {
  nobody: 'Nobody',
  managers: 'The customer’s manager',
  everybody: 'Everybody in sales',
};

const whats: Record<Sharing['what'], { title: string; detail: string }> = {
  conversations: {
    title: 'Conversations that have ended',
    detail:
      'What visitor, chatbot and agents wrote. Not the agents’ notes, no files, and nothing of a widget with a team.',
  },
  calls: { title: 'Notes of calls', detail: 'What agents wrote down about a call, as it is now.' },
};

/** What people in Foundation read of conversations and calls in a customer’s timeline. */
export function SharingPage() {
  const me = useMe();
  const { data, error, refetch } = useQuery(sharingQuery);
  if (!me.agent && !me.isAdmin) return <NoAgent />;
  return (
    <>
      <PageHead title="Sharing" />
      <div className={classes.page}>
        <p className={classes.intro}>
          What Foundation shows in a customer’s timeline besides outcome and summary. Administrators read what a
          customer’s manager reads. A change holds at once, also for what is over.
        </p>
        <LastChanged kind="sharing" />
        {error && <ErrorNotice title="The sharing could not be loaded" error={error} onRetry={refetch} />}
        {!data && !error && <Waiting />}
        {data && (
          <ReadOnly what="what sales may read">
            <ul className={classes.list}>
              {data.sharing.map((sharing) => (
                <SharingRow key={sharing.what} sharing={sharing} />
              ))}
            </ul>
          </ReadOnly>
        )}
      </div>
    </>
  );
}

function SharingRow({ sharing }: { sharing: Sharing }) {
  const { isAdmin } = useMe();
  const client = useQueryClient();
  const { title, detail } = whats[sharing.what];
  const save = async (to: Sharing['readers'], expected?: number) => {
    const saved = await changeSharing(sharing.what, to, expected);
    await client.invalidateQueries({ queryKey: sharingQuery.queryKey });
    return saved;
  };
  const changing = useMutation({
    mutationFn: (to: Sharing['readers']) => save(to, sharing.version),
    onSuccess: (saved) =>
      showUndo({
        message: `${title}: ${readers[saved.readers].toLowerCase()}.`,
        undo: () => save(sharing.readers, saved.version).then(() => {}),
      }),
    onError: (refusal) => {
      showRefusal('The sharing was not changed', refusal);
      void client.invalidateQueries({ queryKey: sharingQuery.queryKey });
    },
  });
  return (
    <li className={classes.row}>
      <span className={classes.name}>
        {title}
        <div className={classes.detail}>{detail}</div>
      </span>
      <Picker
        aria-label={`Who reads: ${title}`}
        w={200}
        disabled={!isAdmin || changing.isPending}
        data={Object.entries(readers).map(([value, label]) => ({ value, label }))}
        value={sharing.readers}
        onChange={(value) => value && value !== sharing.readers && changing.mutate(value as Sharing['readers'])}
      />
    </li>
  );
}
