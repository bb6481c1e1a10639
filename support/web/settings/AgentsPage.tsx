import { showAddress } from '@aether/platform/noaddress';
import { LastChanged } from '@aether/ui/changes/LastChanged.tsx';
import { Dialog } from '@aether/ui/Dialog.tsx';
import { findMissing } from '@aether/ui/faults.ts';
import { ErrorNotice } from '@aether/ui/Notice.tsx';
import { Picker } from '@aether/ui/Picker.tsx';
import { PageHead } from '@aether/ui/Shell.tsx';
import { Tag } from '@aether/ui/Tag.tsx';
import { showRefusal, showUndo } from '@aether/ui/toasts.tsx';
import { Waiting } from '@aether/ui/Waiting.tsx';
import { Avatar, Button, Switch, Text } from '@mantine/core';
import { IconPlus, IconShare, IconUsersGroup } from '@tabler/icons-react';
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { useState } from 'react';
import { addAgent, agentsQuery, changeAgent, usersQuery } from '../api/agents.ts';
import type { Agent, Availability } from '../api/records.ts';
import { AvailabilityMark, availabilityNames, presenceOf } from '../shell/Availability.tsx';
import { useMe } from '../shell/person.ts';
import { ReadOnly } from './ReadOnly.tsx';
import classes from './settings.module.css';

/** The agents: their availability and their open conversations. */
export function AgentsPage() {
  const me = useMe();
  const { data, error, refetch } = useQuery(agentsQuery);
  const [isAdding, setAdding] = useState(false);
  return (
    <>
      <PageHead title="Agents">
        <Button component={Link} to="/settings/teams" variant="default" leftSection={<IconUsersGroup size={15} />}>
          Teams
        </Button>
        <Button component={Link} to="/settings/sharing" variant="default" leftSection={<IconShare size={15} />}>
          Sharing
        </Button>
        {me.isAdmin && (
          <Button leftSection={<IconPlus size={15} />} onClick={() => setAdding(true)}>
            Add an agent
          </Button>
        )}
      </PageHead>
      <div className={classes.page}>
        <p className={classes.intro}>
          Agents see conversations and answer them. You can also change your own availability in the menu at your name.
        </p>
        <LastChanged kind="agent" />
        {error && <ErrorNotice title="The agents could not be loaded" error={error} onRetry={refetch} />}
        {!data && !error && <Waiting />}
        {data && (
          <ReadOnly what="who is an agent, and others’ availability">
            <ul className={classes.list}>
              {data.agents.map((agent) => (
                <AgentRow key={agent.id} agent={agent} mayChange={me.isAdmin} />
              ))}
            </ul>
          </ReadOnly>
        )}
      </div>
      {isAdding && <AddDialog onClose={() => setAdding(false)} />}
    </>
  );
}

function AgentRow({ agent, mayChange }: { agent: Agent; mayChange: boolean }) {
  const client = useQueryClient();
  const save = async (change: { availability?: Availability; is_active?: boolean }) => {
    await changeAgent(agent.id, change);
    for (const key of ['agents', 'own-agent']) await client.invalidateQueries({ queryKey: [key] });
  };
  const changing = useMutation({
    mutationFn: save,
    onSuccess: (_, change) =>
      showUndo({
        message:
          change.is_active === undefined
            ? `${agent.name} is ${change.availability} now.`
            : `${agent.name} is ${change.is_active ? 'active again' : 'no agent any more'}.`,
        undo: () =>
          save(change.is_active === undefined ? { availability: agent.availability } : { is_active: agent.is_active }),
      }),
    onError: (refusal) => showRefusal(`${agent.name} was not changed`, refusal),
  });
  return (
    <li className={classes.row}>
      <Avatar size={28} name={agent.name} color="iris" />
      <span className={classes.name}>
        {agent.name} {!agent.is_active && <Tag>Inactive</Tag>}
        <div className={classes.detail}>
          {showAddress(agent.email)}
          {agent.widgets.length > 0 && ` · ${agent.widgets.map(({ name }) => name).join(', ')}`}
        </div>
      </span>
      {agent.is_reader ? (
        <Tag>Reader</Tag>
      ) : (
        <AvailabilityMark presence={agent.is_active ? presenceOf(agent) : 'offline'} />
      )}
      <span className={classes.detail}>{agent.open_sessions} open</span>
      <Picker
        aria-label={`Availability that ${agent.name} chose`}
        w={112}
        disabled={!mayChange || !agent.is_active || agent.is_reader || changing.isPending}
        data={Object.entries(availabilityNames).map(([value, label]) => ({ value, label }))}
        value={agent.availability}
        onChange={(value) =>
          value && value !== agent.availability && changing.mutate({ availability: value as Availability })
        }
      />
      <Switch
        size="xs"
        label="Active"
        aria-label={`${agent.name} is an active agent`}
        checked={agent.is_active}
        disabled={!mayChange || changing.isPending}
        onChange={(event) => changing.mutate({ is_active: event.currentTarget.checked })}
      />
    </li>
  );
}

function AddDialog({ onClose }: { onClose: () => void }) {
  const client = useQueryClient();
  const { data } = useQuery(usersQuery);
  const [userId, setUserId] = useState<string | null>(null);
  const others = (data?.users ?? []).filter(({ is_agent }) => !is_agent);
  return (
    <Dialog
      title="Add an agent"
      verb="Add"
      faults={findMissing({ user_id: userId }, { user_id: 'Choose who it is.' })}
      save={() => addAgent(userId ?? '')}
      onSaved={() => {
        for (const key of ['agents', 'users', 'own-agent']) void client.invalidateQueries({ queryKey: [key] });
        onClose();
      }}
      onClose={onClose}
    >
      {(errors) => (
        <>
          <Picker
            label="Who"
            name="user_id"
            withAsterisk
            data-autofocus
            placeholder="A name"
            data={others.map(({ id, name, email }) => ({ value: id, label: `${name} · ${showAddress(email)}` }))}
            value={userId}
            error={errors.user_id}
            nothingFound={data ? 'Nobody else has signed in yet' : 'Loading…'}
            onChange={setUserId}
          />
          <Text size="xs" c="dimmed">
            People appear here when they have signed in to Support or Foundation once. Put them into the team of a
            widget on the widget’s page.
          </Text>
        </>
      )}
    </Dialog>
  );
}
