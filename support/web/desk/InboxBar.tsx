import { Act } from '@aether/ui/Act.tsx';
import { Picker } from '@aether/ui/Picker.tsx';
import { SelectionBar } from '@aether/ui/SelectionBar.tsx';
import type { Selection } from '@aether/ui/useSelection.ts';
import { Button, List, Modal, Text } from '@mantine/core';
import { IconCheck, IconFlag, IconTag, IconUserShare } from '@tabler/icons-react';
import { useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import { actedMax, type Outcome } from '../api/acts.ts';
import { agentsQuery } from '../api/agents.ts';
import { PriorityMenu, SessionTagMenu } from './LabelMenus.tsx';
import { priorityNames } from './priorities.ts';
import { useActing } from './useActing.ts';

/** What can be done with the chosen conversations: an agent, a tag or a priority for each, or their end. */
export function InboxBar({ selection }: { selection: Selection }) {
  const { data } = useQuery(agentsQuery);
  const [told, setTold] = useState<Outcome>();
  const { run, isPending } = useActing(setTold);
  const ids = [...selection.keys];
  const tooMany = ids.length > actedMax;
  const isOff = tooMany || isPending;
  const agents = (data?.agents ?? []).filter(({ is_active, is_reader }) => is_active && !is_reader);
  const end = (resolved: boolean) =>
    run({ ids, act: { kind: 'end', resolved }, done: resolved ? 'have ended as resolved' : 'have ended unresolved' });
  return (
    <SelectionBar selection={selection} total={undefined} hasMore={false}>
      {tooMany && (
        <Text size="sm" c="dimmed">
          At most {actedMax} at once.
        </Text>
      )}
      <Act label="Assign" icon={<IconUserShare size={15} />} isOff={isOff}>
        {(close) => (
          <>
            <Picker
              label="Who gets them"
              placeholder="Choose an agent"
              data-autofocus
              comboboxProps={{ withinPortal: false }}
              data={agents.map(({ id, name }) => ({ value: id, label: name }))}
              value={null}
              onChange={(agent_id, choice) => {
                close();
                run({ ids, act: { kind: 'assign', agent_id }, done: `are ${choice?.label ?? 'somebody'}’s now` });
              }}
            />
            <Button
              variant="default"
              onClick={() => {
                close();
                run({ ids, act: { kind: 'assign', agent_id: null }, done: 'are unassigned now' });
              }}
            >
              Back to Unassigned
            </Button>
          </>
        )}
      </Act>
      <Act label="Tag" icon={<IconTag size={15} />} isOff={isOff}>
        {(close) => (
          <SessionTagMenu
            onPick={(tag_id, isAdded) => {
              close();
              run(
                isAdded
                  ? { ids, act: { kind: 'tag', tag_id }, done: 'have the tag now' }
                  : { ids, act: { kind: 'untag', tag_id }, done: 'have the tag no more' },
              );
            }}
          />
        )}
      </Act>
      <Act label="Priority" icon={<IconFlag size={15} />} isOff={isOff}>
        {(close) => (
          <PriorityMenu
            onPick={(priority) => {
              close();
              const name = priorityNames[priority].toLowerCase();
              run({ ids, act: { kind: 'priority', priority }, done: `have the priority ${name} now` });
            }}
          />
        )}
      </Act>
      <Act label="End" icon={<IconCheck size={15} />} isOff={isOff}>
        {(close) => (
          <>
            <Text size="sm">
              {ids.length === 1 ? 'It ends' : `All ${ids.length} end`}, each with its visitor’s first question as its
              subject.
            </Text>
            <Button
              data-autofocus
              onClick={() => {
                close();
                end(true);
              }}
            >
              End as resolved
            </Button>
            <Button
              variant="default"
              onClick={() => {
                close();
                end(false);
              }}
            >
              End as not resolved
            </Button>
          </>
        )}
      </Act>
      {told && <RefusedDialog outcome={told} onClose={() => setTold(undefined)} />}
    </SelectionBar>
  );
}

/** Which conversations an act has not changed, and why. */
function RefusedDialog({ outcome: { changed, refused }, onClose }: { outcome: Outcome; onClose: () => void }) {
  return (
    <Modal opened onClose={onClose} title={`${changed.length} changed, ${refused.length} not`}>
      <List size="sm" spacing={4}>
        {refused.map(({ session: { id, name }, detail }) => (
          <List.Item key={id}>
            {name ?? 'A conversation'}: {detail}
          </List.Item>
        ))}
      </List>
    </Modal>
  );
}
