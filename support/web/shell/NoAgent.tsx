import { showAddress } from '@aether/platform/noaddress';
import { Nothing } from '@aether/ui/Notice.tsx';
import { showRefusal } from '@aether/ui/toasts.tsx';
import { Button } from '@mantine/core';
import { IconHeadsetOff } from '@tabler/icons-react';
import { useMutation, useQueryClient } from '@tanstack/react-query';
import { addAgent } from '../api/agents.ts';
import { useMe } from './person.ts';

/** Replaces the inbox for a signed-in person who is not an agent: says why, and what to do. */
export function NoAgent() {
  const me = useMe();
  const client = useQueryClient();
  const join = useMutation({
    mutationFn: () => addAgent(me.id),
    onSuccess: () => client.invalidateQueries(),
    onError: (error) => showRefusal('You were not made an agent', error),
  });
  if (me.isAdmin)
    return (
      <Nothing
        icon={<IconHeadsetOff size={28} />}
        title="You are signed in, but you are no agent"
        action={
          <Button loading={join.isPending} onClick={() => join.mutate()}>
            Make me an agent
          </Button>
        }
      >
        Only agents see conversations. You are an administrator: you can make yourself or others an agent, and change
        the settings without being one.
      </Nothing>
    );
  return (
    <Nothing
      icon={<IconHeadsetOff size={28} />}
      title="You are signed in, but you are no agent"
      action={
        <Button variant="default" onClick={() => void client.invalidateQueries({ queryKey: ['own-agent'] })}>
          Look again
        </Button>
      }
    >
      {`${me.name} (${showAddress(me.email)}) has no place at the support desk, so conversations with visitors are not shown. An administrator can add you under Settings, Agents; tell them this address.`}
    </Nothing>
  );
}
