import { read } from '@aether/ui/request.ts';
import { showDone } from '@aether/ui/toasts.tsx';
import { useQueryClient } from '@tanstack/react-query';
import { consumers } from '../api/clients.ts';
import type { Order } from '../api/consumers.ts';
import { ReasonDialog } from '../parts/ReasonDialog.tsx';

/** What an administrator is about to order of a consumer. */
export type Wish = {
  consumer: string;
  act: Order['act'];
  session?: string;
  event?: string;
  numbers?: string[];
};

/** Leads to the dialog. */
export type Ask = (wish: Omit<Wish, 'consumer'>) => void;

/** Asks why, and orders it. What came of it is on the page some seconds later. */
export function OrderDialog({ wish, onClose }: { wish: Wish; onClose: () => void }) {
  const client = useQueryClient();
  const { consumer: name, act, ...scope } = wish;
  const { title, verb, what } = describe(wish);
  return (
    <ReasonDialog
      title={title}
      verb={verb}
      {...(act === 'skip' && { color: 'red' })}
      act={(reason) => read(consumers[':name'].orders.$post({ param: { name }, json: { act, ...scope, reason } }))}
      onDone={() => {
        onClose();
        void client.invalidateQueries({ queryKey: ['consumers'] });
        showDone('It is ordered. What comes of it is shown under Orders.');
      }}
      onClose={onClose}
    >
      {what}
    </ReasonDialog>
  );
}

function describe({ consumer, act, session, event, numbers }: Wish): { title: string; verb: string; what: string } {
  switch (act) {
    case 'resubmit':
      return {
        title: `Resubmit ${numbers ? 'a dead letter' : 'all dead letters'} of ${consumer}`,
        verb: 'Resubmit',
        what: 'It is sent to this app alone, under a new id. What the app still cannot read becomes a dead letter again.',
      };
    case 'retry':
      return {
        title: `Try ${session ? 'a dead event' : 'all dead events'} of ${consumer} again`,
        verb: 'Try again',
        what: 'The app begins with the first attempt again. Once the event is handled, those that wait behind it follow in order.',
      };
    case 'skip':
      return {
        title: `Skip event ${event} of ${consumer}`,
        verb: 'Skip it',
        what: 'The app gives the event up, and those that wait behind it go on. This cannot be undone; a replay of the customer is the way back.',
      };
    case 'pause':
      return {
        title: `Pause ${consumer}`,
        verb: 'Pause',
        what: 'All its processes stop after the step under way. Nothing is lost: the bus keeps the messages for fourteen days.',
      };
    case 'resume':
      return { title: `Resume ${consumer}`, verb: 'Resume', what: 'All its processes go on where they stopped.' };
  }
}
