import { PersonMenu } from '@aether/ui/PersonMenu.tsx';
import { showDone, showRefusal } from '@aether/ui/toasts.tsx';
import { Menu, Text } from '@mantine/core';
import { IconBell } from '@tabler/icons-react';
import { useMutation, useQueryClient } from '@tanstack/react-query';
import { changeAgent, ownAgentQuery } from '../api/agents.ts';
import type { Availability, OwnAgent } from '../api/records.ts';
import { AvailabilityMark, availabilityMeanings, availabilityNames } from './Availability.tsx';
import classes from './shell.module.css';

type AgentMenuProps = {
  me: {
    id: string;
    name: string;
    email: string;
    isAdmin: boolean;
    isSteward: boolean;
    isReader: boolean;
    agent: OwnAgent | null;
  };
  /** Opens what the person says about sounds and notifications. It is not part of the menu, which a narrow screen closes with its drawer. */
  onAttention: () => void;
};

/** The person's menu, with their availability for conversations and how they are told of them. */
export function AgentMenu({ me, onAttention }: AgentMenuProps) {
  const role = (
    <>
      {!me.agent ? 'Not an agent' : me.isReader ? 'Reader' : <AvailabilityMark presence={me.agent.availability} />}
      {me.isAdmin ? ' · Administrator' : me.isSteward && ' · Data steward'}
    </>
  );
  return (
    <PersonMenu me={me} role={role} label={`${me.isReader ? '' : 'Availability, '}appearance and sign-out`} width={260}>
      {me.agent && !me.isReader && <AvailabilityItems agent={me.agent} />}
      <Menu.Item leftSection={<IconBell size={15} />} onClick={onAttention}>
        Sound and notifications…
      </Menu.Item>
      <Menu.Divider />
    </PersonMenu>
  );
}

function AvailabilityItems({ agent }: { agent: OwnAgent }) {
  const client = useQueryClient();
  const change = useMutation({
    mutationFn: (availability: Availability) => changeAgent(agent.id, { availability }),
    onSuccess: (_, availability) => {
      client.setQueryData(ownAgentQuery.queryKey, (own) => own && { ...own, agent: { ...agent, availability } });
      void client.invalidateQueries({ queryKey: ['agents'] });
      showDone(`You are ${availabilityNames[availability].toLowerCase()}.`);
    },
    onError: (error) => showRefusal('Your availability was not changed', error),
  });
  return (
    <>
      {(['online', 'away', 'offline'] as const).map((availability) => (
        <Menu.Item
          key={availability}
          onClick={() => change.mutate(availability)}
          aria-current={agent.availability === availability}
          leftSection={<span className={classes.dot} data-availability={availability} aria-hidden />}
        >
          {availabilityNames[availability]}
          {agent.availability === availability && ' ✓'}
          <Text size="xs" c="dimmed">
            {availabilityMeanings[availability]}
          </Text>
        </Menu.Item>
      ))}
      <Menu.Divider />
    </>
  );
}
