import { useEffect } from 'react';
import { tellOpen } from '../api/agents.ts';

const openMs = 45_000;

/** Reports regularly that an agent has the console open. Visitors see from it that an agent is there. */
export function useOpenMark(isAgent: boolean): void {
  useEffect(() => {
    if (!isAgent) return;
    const tell = () => tellOpen().catch(() => {}); // the next report repeats it
    void tell();
    const timer = setInterval(tell, openMs);
    return () => clearInterval(timer);
  }, [isAgent]);
}
