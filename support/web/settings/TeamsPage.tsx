import { LastChanged } from '@aether/ui/changes/LastChanged.tsx';
import { Dialog } from '@aether/ui/Dialog.tsx';
import { findMissing } from '@aether/ui/faults.ts';
import { ErrorNotice, Nothing } from '@aether/ui/Notice.tsx';
import { PageHead } from '@aether/ui/Shell.tsx';
import { useDraft } from '@aether/ui/useDraft.ts';
import { Waiting } from '@aether/ui/Waiting.tsx';
import { Button, TextInput } from '@mantine/core';
import { IconPlus, IconUsersGroup } from '@tabler/icons-react';
import { useQuery, useQueryClient } from '@tanstack/react-query';
import { Link, useNavigate } from '@tanstack/react-router';
import { useState } from 'react';
import { createTeam, teamsQuery } from '../api/teams.ts';
import { useMe } from '../shell/person.ts';
import { ReadOnly } from './ReadOnly.tsx';
import { ruleNames } from './rules.ts';
import classes from './settings.module.css';

/** Who answers together: their hours, their rule and their targets. */
export function TeamsPage() {
  const me = useMe();
  const { data, error, refetch } = useQuery(teamsQuery);
  const [isAdding, setAdding] = useState(false);
  return (
    <>
      <PageHead
        title={
          <>
            <Link to="/settings/agents" className={classes.back}>
              Agents
            </Link>
            Teams
          </>
        }
      >
        {me.isAdmin && (
          <Button leftSection={<IconPlus size={15} />} onClick={() => setAdding(true)}>
            New team
          </Button>
        )}
      </PageHead>
      <div className={classes.page}>
        <p className={classes.intro}>
          A team answers widgets together. It says when people are there, who gets the next conversation, and how soon
          visitors are to be answered.
        </p>
        <LastChanged kind="team" />
        {error && !data && <ErrorNotice title="The teams could not be loaded" error={error} onRetry={refetch} />}
        {!data && !error && <Waiting />}
        {data && (
          <ReadOnly what="teams">
            {data.teams.length === 0 ? (
              <Nothing icon={<IconUsersGroup size={28} />} title="No team yet">
                Without one, agents take conversations themselves, and people are always there.
              </Nothing>
            ) : (
              <ul className={classes.list}>
                {data.teams.map((team) => (
                  <li key={team.id} className={classes.row}>
                    <span className={classes.name}>
                      <Link to="/settings/teams/$id" params={{ id: team.id }}>
                        {team.name}
                      </Link>
                      <div className={classes.detail}>
                        {team.members.length === 0
                          ? 'No members'
                          : team.members.map(({ agent }) => agent.name).join(', ')}
                      </div>
                    </span>
                    <span className={classes.detail}>
                      {team.widgets.length === 0 ? 'No widget' : team.widgets.map(({ name }) => name).join(', ')}
                    </span>
                    <span className={classes.detail}>{ruleNames[team.assigning]}</span>
                  </li>
                ))}
              </ul>
            )}
          </ReadOnly>
        )}
      </div>
      {isAdding && <NewTeam onClose={() => setAdding(false)} />}
    </>
  );
}

function NewTeam({ onClose }: { onClose: () => void }) {
  const client = useQueryClient();
  const navigate = useNavigate();
  const draft = useDraft('new-team', { name: '' });
  const { name } = draft.value;
  return (
    <Dialog
      title="New team"
      verb="Create"
      draft={draft}
      faults={findMissing({ name }, { name: 'Write a name.' })}
      save={() => createTeam({ name: name.trim() })}
      onSaved={({ id }) => {
        void client.invalidateQueries({ queryKey: ['teams'] });
        onClose();
        void navigate({ to: '/settings/teams/$id', params: { id } });
      }}
      onClose={onClose}
    >
      {(errors) => (
        <TextInput
          label="Name"
          name="name"
          description="Such as Sales or Second line."
          withAsterisk
          data-autofocus
          maxLength={80}
          value={name}
          error={errors.name}
          onChange={(event) => draft.change({ name: event.currentTarget.value })}
        />
      )}
    </Dialog>
  );
}
