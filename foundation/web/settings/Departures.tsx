import { Dialog } from '@aether/ui/Dialog.tsx';
import { formatNumber } from '@aether/ui/formats.ts';
import { showDone, showUndo } from '@aether/ui/toasts.tsx';
import { Checkbox, Progress, Text } from '@mantine/core';
import { useQuery, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import type { Holdings, StaffUser } from '../api/records.ts';
import { countAll, holdingsQuery, leaveUser, returnUser, usersQuery } from '../api/settings.ts';
import { PersonPicker } from '../inputs/Picker.tsx';
import { describeHoldings } from './holdings.ts';

type Props = { user: StaffUser; onClose: () => void };

/** What shows whose something is. */
const changedKeys = [
  'users',
  'customers',
  'customer',
  'companies',
  'company',
  'deals',
  'board',
  'tasks',
  'views',
  'holdings',
];

function useRefresh() {
  const client = useQueryClient();
  return () => Promise.all(changedKeys.map((key) => client.invalidateQueries({ queryKey: [key] })));
}

/** Asks to whom the things of somebody who leaves go, and of somebody who has left and still has some. */
export function LeaveDialog({ user, onClose }: Props) {
  const refresh = useRefresh();
  const { data: holdings } = useQuery(holdingsQuery(user.id));
  const { data: staff } = useQuery(usersQuery);
  const [to, setTo] = useState<string | null>(null);
  const [leftOver, setLeftOver] = useState<Holdings>();
  const hasLeft = user.left_at !== null;
  const total = holdings ? countAll(holdings) : 0;
  const successor = staff?.users.find(({ id }) => id === to)?.name;
  return (
    <Dialog
      title={hasLeft ? `What ${user.name} still has` : `Has ${user.name} left?`}
      verb={hasLeft ? 'Hand over' : 'Enter that they left'}
      color={hasLeft ? undefined : 'red'}
      isReady={holdings !== undefined && (!hasLeft || to !== null)}
      save={() => leaveUser(user.id, to ?? undefined, setLeftOver)}
      onSaved={({ handedOver, leftOver: rest }) => {
        void refresh();
        onClose();
        const given =
          countAll(handedOver) > 0 ? ` ${successor} has ${describeHoldings(handedOver)} of theirs now.` : '';
        const stays = countAll(rest) > 0 && to !== null ? ` ${describeHoldings(rest)} could not be handed over.` : '';
        if (hasLeft) return showDone(`${given}${stays}`.trim() || 'There was nothing to hand over.');
        showUndo({
          message: `${user.name} has left.${given}${stays}`,
          undo: async () => {
            const { givenBack } = await returnUser(user.id, true);
            await refresh();
            return `${user.name} is back, with ${describeHoldings(givenBack)}. They sign in again themselves.`;
          },
        });
      }}
      onClose={() => {
        // A call that was cut off may have done a part.
        void refresh();
        onClose();
      }}
    >
      {(errors) => (
        <>
          {!hasLeft && (
            <Text size="sm">
              They are signed out of every app at once and cannot come in again, their open conversations in Support go
              back to the others, and nothing can be given to them. What they wrote and closed stays theirs. If they
              return, it is taken back here.
            </Text>
          )}
          <Text size="sm" fw={550}>
            {holdings === undefined
              ? 'Counting what they have…'
              : total === 0
                ? 'They have nothing to hand over.'
                : `They have ${describeHoldings(holdings)}.`}
          </Text>
          {total > 0 && (
            <PersonPicker
              label="Hand over to"
              name="hand_over_to"
              description={hasLeft ? undefined : 'Or later: it stays theirs until then.'}
              placeholder={hasLeft ? 'Choose somebody' : 'Nobody yet'}
              without={user.id}
              value={to}
              onChange={setTo}
              error={errors.hand_over_to}
              data-autofocus
            />
          )}
          {leftOver && total > 0 && (
            <Progress
              value={(100 * (total - countAll(leftOver))) / total}
              aria-label={`${formatNumber(countAll(leftOver))} to go`}
            />
          )}
        </>
      )}
    </Dialog>
  );
}

/** Asks before somebody may come in again. */
export function ReturnDialog({ user, onClose }: Props) {
  const refresh = useRefresh();
  const [givesBack, setGivesBack] = useState(true);
  return (
    <Dialog
      title={`Is ${user.name} back?`}
      verb="Enter that they are back"
      save={() => returnUser(user.id, givesBack)}
      onSaved={({ givenBack, kept }) => {
        void refresh();
        onClose();
        const back = countAll(givenBack) > 0 ? `, with ${describeHoldings(givenBack)}` : '';
        const others = countAll(kept) > 0 ? ` Somebody else has ${describeHoldings(kept)} by now.` : '';
        showDone(`${user.name} is back${back}.${others}`);
      }}
      onClose={onClose}
    >
      {() => (
        <>
          <Text size="sm">
            They may sign in again, with the role that they had. An agent of Support is one again; their conversations
            stay where they are by now.
          </Text>
          <Checkbox
            label="Give back what was handed over in the last thirty days, if the successor still has it"
            checked={givesBack}
            onChange={({ currentTarget }) => setGivesBack(currentTarget.checked)}
          />
        </>
      )}
    </Dialog>
  );
}
