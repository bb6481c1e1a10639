import { useKeys } from '@aether/ui/Keys.tsx';
import { lazyDialog } from '@aether/ui/parts/lazy.tsx';
import { useMayChange } from '@aether/ui/reading.tsx';
import { showDone, showRefusal, showUndo } from '@aether/ui/toasts.tsx';
import { useQueryClient } from '@tanstack/react-query';
import { type ReactNode, useState } from 'react';
import { assign, claim, reopenSession, SessionClaimed, take } from '../api/conversation.ts';
import { movesOfSession } from '../api/moves.ts';
import type { Named, OwnAgent, Session } from '../api/records.ts';
import { useCommands } from '../shell/commands.ts';
import { type Actions, ActionsContext } from './actions.ts';
import { nameVisitor } from './order.ts';
import { findSession } from './targets.ts';

const TransferDialog = lazyDialog(() => import('./TransferDialog.tsx'), 'TransferDialog');
const SnoozeDialog = lazyDialog(() => import('./SnoozeDialog.tsx'), 'SnoozeDialog');
const EndDialog = lazyDialog(() => import('./EndDialog.tsx'), 'EndDialog');
const MoveRecord = lazyDialog(() => import('../customers/MoveRecord.tsx'), 'MoveRecord');
const TakeOverDialog = lazyDialog(() => import('./TakeOverDialog.tsx'), 'TakeOverDialog');

type Asked =
  | { what: 'transfer' | 'snooze' | 'end' | 'move'; session: Session }
  | { what: 'take-over'; session: Session; holder: Named };

/** Gives the desk its actions, their keys and dialogs. A key acts on the focused row, otherwise on the open conversation. */
export function DeskActions({ agent, openId, children }: DeskActionsProps) {
  const client = useQueryClient();
  const [asked, setAsked] = useState<Asked | undefined>();

  const show = (session: Session) => {
    take(client, session.id, { session });
    void client.invalidateQueries({ queryKey: ['inbox'] });
    void client.invalidateQueries({ queryKey: ['counts'] });
    void client.invalidateQueries({ queryKey: ['session', session.id] });
  };
  const claimOne = async (session: Session) => {
    if (session.agent?.id === agent.id) return showDone('You have this conversation already.');
    if (session.agent) return setAsked({ what: 'take-over', session, holder: session.agent });
    try {
      show((await claim(session.id)).session);
      showUndo({
        message: `You have ${nameVisitor(session)}’s conversation.`,
        undo: async () => show((await assign(session.id, null)).session),
      });
    } catch (error) {
      if (error instanceof SessionClaimed) setAsked({ what: 'take-over', session, holder: error.agent });
      else showRefusal('The conversation was not claimed', error);
    }
  };
  const ask = (what: 'transfer' | 'snooze' | 'end') => (session: Session) => {
    if (session.status === 'ended') showDone('This conversation has ended.');
    else setAsked({ what, session });
  };
  const reopen = async (session: Session) => {
    if (session.status === 'active') return showDone('This conversation is open.');
    try {
      show((await reopenSession(session.id)).session);
      showDone(`${nameVisitor(session)}’s conversation is open again.`);
    } catch (error) {
      showRefusal('The conversation was not opened again', error);
    }
  };
  const actions: Actions = {
    claim: (session) => {
      if (session.status === 'ended') showDone('This conversation has ended.');
      else void claimOne(session);
    },
    askTakeOver: (session, holder) => setAsked({ what: 'take-over', session, holder }),
    askTransfer: ask('transfer'),
    askSnooze: ask('snooze'),
    askEnd: ask('end'),
    reopen: (session) => void reopen(session),
    askMove: (session) => {
      if (session.customer) setAsked({ what: 'move', session });
      else showDone('The visitor has given no address yet: this conversation belongs to nobody.');
    },
    show,
  };
  const withTarget = (run: (session: Session) => void) => () => {
    const id = document.activeElement?.closest<HTMLElement>('[data-session]')?.dataset.session ?? openId;
    const session = id && findSession(client, id);
    if (session) run(session);
  };
  const doings = [
    { keys: 'c', label: 'Claim', of: 'Claim this conversation', run: withTarget(actions.claim) },
    { keys: 't', label: 'Transfer', of: 'Transfer this conversation', run: withTarget(actions.askTransfer) },
    { keys: 's', label: 'Snooze', of: 'Snooze this conversation', run: withTarget(actions.askSnooze) },
    { keys: 'e', label: 'End', of: 'End this conversation', run: withTarget(actions.askEnd) },
    { keys: 'o', label: 'Open again', of: 'Open this conversation again', run: withTarget(actions.reopen) },
    {
      keys: 'm',
      label: 'Move to another customer',
      of: 'Move this conversation to another customer',
      run: withTarget(actions.askMove),
    },
  ];
  const mayChange = useMayChange();
  useKeys(mayChange ? doings.map(({ keys, label, run }) => ({ keys, label, run, group: 'Conversation' })) : []);
  useCommands(openId && mayChange ? doings.map(({ of, run }) => ({ label: of, run })) : []);

  const close = () => setAsked(undefined);
  return (
    <ActionsContext value={actions}>
      {children}
      {asked?.what === 'transfer' && <TransferDialog session={asked.session} own={agent} onClose={close} />}
      {asked?.what === 'snooze' && <SnoozeDialog session={asked.session} onClose={close} />}
      {asked?.what === 'end' && <EndDialog session={asked.session} onClose={close} />}
      {asked?.what === 'move' && (
        <MoveRecord
          what="conversation"
          id={asked.session.id}
          calls={movesOfSession(asked.session.id)}
          onClose={close}
        />
      )}
      {asked?.what === 'take-over' && <TakeOverDialog session={asked.session} holder={asked.holder} onClose={close} />}
    </ActionsContext>
  );
}

type DeskActionsProps = { agent: OwnAgent; openId: string | undefined; children: ReactNode };
