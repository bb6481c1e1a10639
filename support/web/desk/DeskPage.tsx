import { Nothing } from '@aether/ui/Notice.tsx';
import { lazyPage } from '@aether/ui/parts/lazy.tsx';
import { useNarrow } from '@aether/ui/Shell.tsx';
import { IconMessages } from '@tabler/icons-react';
import { useParams, useSearch } from '@tanstack/react-router';
import { Suspense } from 'react';
import { NoAgent } from '../shell/NoAgent.tsx';
import { useMe } from '../shell/person.ts';
import { DeskActions } from './DeskActions.tsx';
import classes from './desk.module.css';
import { InboxList } from './InboxList.tsx';

const ConversationPage = lazyPage(() => import('../conversation/ConversationPage.tsx'), 'ConversationPage');

/** The inbox beside the open conversation; on a narrow screen one at a time. */
export function DeskPage() {
  const me = useMe();
  const { id } = useParams({ strict: false }) as { id?: string };
  const { message, entry, ...search } = useSearch({ from: '/desk' });
  const isNarrow = useNarrow();
  if (!me.agent) return <NoAgent />;
  return (
    <DeskActions agent={me.agent} openId={id}>
      <div className={classes.desk}>
        {!(isNarrow && id) && <InboxList key={search.view ?? 'mine'} search={search} openId={id} />}
        {id ? (
          <Suspense>
            <ConversationPage key={id} id={id} sought={{ message, entry }} />
          </Suspense>
        ) : (
          !isNarrow && (
            <div className={classes.nothing}>
              <Nothing icon={<IconMessages size={28} />} title="Choose a conversation">
                J and K walk through the list, Enter opens, ? shows all keys.
              </Nothing>
            </div>
          )
        )}
      </div>
    </DeskActions>
  );
}
