import { Dialog } from '@aether/ui/Dialog.tsx';
import { showUndo } from '@aether/ui/toasts.tsx';
import { Text } from '@mantine/core';
import { assign, claim } from '../api/conversation.ts';
import type { Named, Session } from '../api/records.ts';
import { useActions } from './actions.ts';
import { nameVisitor } from './order.ts';

type TakeOverDialogProps = { session: Session; holder: Named; onClose: () => void };

/** Another agent has the conversation: names that agent, and takes it over only if the person confirms. */
export function TakeOverDialog({ session, holder, onClose }: TakeOverDialogProps) {
  const { show } = useActions();
  return (
    <Dialog
      title={`${holder.name} has this conversation`}
      verb="Take over"
      save={() => claim(session.id, true)}
      onSaved={({ session: taken }) => {
        show(taken);
        onClose();
        showUndo({
          message: `You took ${nameVisitor(session)}’s conversation over from ${holder.name}.`,
          undo: async () => show((await assign(session.id, holder.id)).session),
        });
      }}
      onClose={onClose}
    >
      {() => (
        <Text size="sm">
          {holder.name} may be writing an answer at this moment. Take it over only when they cannot go on; it is noted
          in the conversation, and they see it at once.
        </Text>
      )}
    </Dialog>
  );
}
