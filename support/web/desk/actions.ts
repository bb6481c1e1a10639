import { createContext, useContext } from 'react';
import type { Named, Session } from '../api/records.ts';

export type Actions = {
  claim: (session: Session) => void;
  askTakeOver: (session: Session, holder: Named) => void;
  askTransfer: (session: Session) => void;
  askSnooze: (session: Session) => void;
  askEnd: (session: Session) => void;
  /** Opens an ended one again. */
  reopen: (session: Session) => void;
  /** Asks to whom the conversation really belongs. */
  askMove: (session: Session) => void;
  /** Runs after an action: the answer is shown, and lists load again. */
  show: (session: Session) => void;
};

export const ActionsContext = createContext<Actions | undefined>(undefined);

/** The actions on a conversation. @throws outside of the desk */
export function useActions(): Actions {
  const actions = useContext(ActionsContext);
  if (!actions) throw new Error('useActions works only inside the desk.');
  return actions;
}
