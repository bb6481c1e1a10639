import { useUploads } from '@aether/ui/attachments/useUploads.ts';
import { useKeys } from '@aether/ui/Keys.tsx';
import { ErrorNotice, Nothing } from '@aether/ui/Notice.tsx';
import { lazyPage } from '@aether/ui/parts/lazy.tsx';
import { readerWords } from '@aether/ui/reading.tsx';
import { Refusal } from '@aether/ui/refusal.ts';
import { Waiting } from '@aether/ui/Waiting.tsx';
import { Drawer } from '@mantine/core';
import { useDisclosure, useMediaQuery } from '@mantine/hooks';
import { IconMessageOff } from '@tabler/icons-react';
import { useQuery, useQueryClient } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { useEffect } from 'react';
import { conversationQuery } from '../api/conversation.ts';
import { useActions } from '../desk/actions.ts';
import { nameVisitor } from '../desk/order.ts';
import type { Sought } from '../desk/search.ts';
import { findSession } from '../desk/targets.ts';
import { useMe } from '../shell/person.ts';
import { Composer } from './Composer.tsx';
import { ConversationHead } from './ConversationHead.tsx';
import classes from './conversation.module.css';
import { useAnswerDraft } from './drafts.ts';
import { describeViewers, usePresence } from './presence.ts';
import { RatingLine } from './RatingLine.tsx';
import { Stream } from './Stream.tsx';
import { useOutbox } from './sending.ts';

/** The list needs no panel, so the panel loads with the first conversation. */
const MailBar = lazyPage(() => import('./MailBar.tsx'), 'MailBar', 'panel');
const ContextPanel = lazyPage(() => import('../context/ContextPanel.tsx'), 'ContextPanel', 'panel');

/** Whether there is room for the customer beside the conversation. */
const useRoom = () => useMediaQuery('(min-width: 75em)', window.innerWidth >= 1_200) ?? true;

/** One conversation with its customer. */
export function ConversationPage({ id, sought }: { id: string; sought: Sought }) {
  const me = useMe();
  const ownAgentId = me.agent?.id ?? '';
  const client = useQueryClient();
  const { askTakeOver } = useActions();
  const known = findSession(client, id)?.message_count;
  const { data, error, refetch } = useQuery(conversationQuery(id, known));
  const outbox = useOutbox(id);
  const presence = usePresence(id, { isTold: !me.isReader });
  const drafting = useAnswerDraft(id);
  // Two, so that what is meant for a note is never sent to the visitor with a change of mind.
  const ofReply = useUploads(`/api/sessions/${id}/attachments`);
  const ofNote = useUploads(`/api/sessions/${id}/attachments`);
  const uploads = { reply: ofReply, note: ofNote };
  const hasRoom = useRoom();
  const [isOpen, { toggle, close }] = useDisclosure(false);
  useEffect(() => {
    void ContextPanel.preload(); // beside the conversation's messages
  }, []);
  useKeys([{ keys: 'i', label: 'The customer, on a small screen', group: 'Conversation', run: toggle }]);

  if (!data) {
    return (
      <section className={classes.page} aria-label="Conversation">
        {error ? <NoConversation error={error} onRetry={refetch} /> : <Waiting lines={10} />}
      </section>
    );
  }
  const { session } = data;
  /** Puts an unsent message back into the text field. */
  const writeOn = (clientId: string, mode?: 'note') => {
    const unsent = outbox.discard(clientId);
    if (!unsent) return;
    const kind = mode ?? unsent.kind;
    if (unsent.files) uploads[kind].putBack(unsent.files);
    const before = drafting.value[kind];
    drafting.change({ mode: kind, [kind]: before ? `${unsent.body}\n${before}` : unsent.body });
  };
  const watching = describeViewers(data.viewers.filter((viewer) => viewer.id !== ownAgentId));
  return (
    <>
      <section className={classes.page} aria-label={`Conversation with ${nameVisitor(session)}`}>
        <ConversationHead session={session} ownAgentId={ownAgentId} onContext={hasRoom ? undefined : toggle} />
        {watching && (
          <div className={classes.watching} role="status">
            {watching}
          </div>
        )}
        <Stream
          conversation={data}
          sought={sought}
          ownName={me.agent?.name ?? me.name}
          unsent={outbox.unsent}
          isVisitorTyping={presence.isVisitorTyping}
          readAt={presence.readAt}
          onRetry={outbox.retry}
          onEdit={writeOn}
          onNote={(clientId) => writeOn(clientId, 'note')}
          onDiscard={outbox.discard}
          onTakeOver={(holder) => askTakeOver(session, holder)}
        />
        {session.rating && <RatingLine rating={session.rating} />}
        {(data.mail.failing || data.mail.mails.length > 0) && <MailBar conversation={data} />}
        {me.isReader ? (
          <p className={classes.reading}>{readerWords}</p>
        ) : (
          <Composer
            session={session}
            own={{ id: ownAgentId, name: me.agent?.name ?? me.name }}
            drafting={drafting}
            uploads={uploads}
            onTyping={presence.type}
            onSend={(kind, body, files) => {
              presence.stopTyping();
              outbox.send({ kind, body, ...(files && { files }) });
            }}
          />
        )}
      </section>
      {hasRoom ? (
        <aside className={classes.aside} aria-label="Customer">
          <ContextPanel of="session" id={id} session={session} />
        </aside>
      ) : (
        <Drawer opened={isOpen} onClose={close} position="right" size={360} title="Customer">
          {isOpen && <ContextPanel of="session" id={id} session={session} />}
        </Drawer>
      )}
    </>
  );
}

function NoConversation({ error, onRetry }: { error: unknown; onRetry: () => void }) {
  if (error instanceof Refusal && [404, 410, 422].includes(error.status))
    return (
      <Nothing
        icon={<IconMessageOff size={28} />}
        title="There is no such conversation"
        action={<Link to="/inbox">To the inbox</Link>}
      >
        {error.message}
      </Nothing>
    );
  return <ErrorNotice title="The conversation could not be loaded" error={error} onRetry={onRetry} />;
}
