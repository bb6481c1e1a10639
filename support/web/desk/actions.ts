import { createContext, useContext } from 'react';
import type { Named, Session } from '../api/records.ts';

export type Actions = {
  claim: (session: Session) => void;
  askTakeOver: (session: Session, holder: Named) => void;
  askTransfer: (session: Session) => void;
  askSnooze: (session: Session) => void;
  askEnd: (session: Session) => void;
  /** After something was done: the answer is shown, and lists load anew. */
  show: (session: Session) => void;
};

export const ActionsContext = createContext<Actions | undefined>(undefined);

/** What can be done with a conversation. @throws outside of the desk */
export function useActions(): Actions {
  const actions = useContext(ActionsContext);
  if (!actions) throw new Error('useActions is for what stands on the desk.');
  return actions;
}
