import { useEffect } from 'react';
import { countUnsent } from './unsent.ts';

type Sender = { sendUnsent: (person: string) => void };

/**
 * Sends what the person has left unsent, before this visit or in a tab that is closed now. The outboxes are loaded only if there is
 * something.
 *
 * @param load always the same function
 */
export function useUnsent(person: string, load: () => Promise<Sender[]>): void {
  useEffect(() => {
    let isLoading = false;
    const look = () => {
      if (isLoading || countUnsent(localStorage, person) === 0) return;
      isLoading = true;
      load().then(
        (senders) => {
          for (const { sendUnsent } of senders) sendUnsent(person);
        },
        () => {
          isLoading = false; // the next look tries again
        },
      );
    };
    look();
    const events = ['storage', 'online'];
    for (const event of events) window.addEventListener(event, look);
    return () => {
      for (const event of events) window.removeEventListener(event, look);
    };
  }, [person, load]);
}
