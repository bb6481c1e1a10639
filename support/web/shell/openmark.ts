import { useEffect } from 'react';
import { tellOpen } from '../api/agents.ts';

const openMs = 45_000;

/** Says again and again that an agent has the console open: visitors are told that somebody is there because of it. */
export function useOpenMark(isAgent: boolean): void {
  useEffect(() => {
    if (!isAgent) return;
    const tell = () => tellOpen().catch(() => {}); // the next one says it
    void tell();
    const timer = setInterval(tell, openMs);
    return () => clearInterval(timer);
  }, [isAgent]);
}
