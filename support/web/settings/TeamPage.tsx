import { LastChanged } from '@aether/ui/changes/LastChanged.tsx';
import { Dialog } from '@aether/ui/Dialog.tsx';
import { ErrorNotice, Nothing } from '@aether/ui/Notice.tsx';
import { PageHead } from '@aether/ui/Shell.tsx';
import { showDone } from '@aether/ui/toasts.tsx';
import { Waiting } from '@aether/ui/Waiting.tsx';
import { Button, Text } from '@mantine/core';
import { useQuery, useQueryClient } from '@tanstack/react-query';
import { Link, useNavigate, useParams } from '@tanstack/react-router';
import { useState } from 'react';
import type { Team } from '../api/records.ts';
import { deleteTeam, teamsQuery } from '../api/teams.ts';
import { useMe } from '../shell/person.ts';
import { ReadOnly } from './ReadOnly.tsx';
import classes from './settings.module.css';
import { TeamForm } from './TeamForm.tsx';

/** One team. */
export function TeamPage() {
  const { id } = useParams({ from: '/settings/teams/$id' });
  const { data, error, refetch } = useQuery(teamsQuery);
  const team = data?.teams.find((each) => each.id === id);
  if (error && !data) return <ErrorNotice title="The team could not be loaded" error={error} onRetry={refetch} />;
  if (!data) return <Waiting lines={10} />;
  if (!team)
    return (
      <Nothing title="There is no such team" action={<Link to="/settings/teams">To the teams</Link>}>
        It may have been removed.
      </Nothing>
    );
  return (
    <>
      <PageHead
        title={
          <>
            <Link to="/settings/teams" className={classes.back}>
              Teams
            </Link>
            {team.name}
          </>
        }
      >
        <DeleteTeam team={team} />
      </PageHead>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: a scrolling area must be reachable by keyboard, also when all fields are locked */}
      <div className={classes.page} tabIndex={0}>
        <LastChanged kind="team" of={id} />
        <ReadOnly what="teams">
          <TeamForm key={team.id} team={team} />
        </ReadOnly>
      </div>
    </>
  );
}

function DeleteTeam({ team: { id, name, widgets } }: { team: Team }) {
  const { isAdmin } = useMe();
  const client = useQueryClient();
  const navigate = useNavigate();
  const [isAsked, setAsked] = useState(false);
  if (!isAdmin) return null;
  return (
    <>
      <Button variant="default" onClick={() => setAsked(true)}>
        Delete…
      </Button>
      {isAsked && (
        <Dialog
          title={`Delete ${name}`}
          verb="Delete"
          color="red"
          isReady={widgets.length === 0}
          save={() => deleteTeam(id)}
          onSaved={() => {
            setAsked(false);
            void navigate({ to: '/settings/teams' });
            void client.invalidateQueries({ queryKey: ['teams'] });
            showDone(`${name} is deleted.`);
          }}
          onClose={() => setAsked(false)}
        >
          {() => (
            <Text size="sm">
              {widgets.length > 0
                ? `The team answers ${widgets.map((widget) => widget.name).join(', ')}. Give that to another team, or to none, on the page of the widget.`
                : 'Its hours, its rule and its targets go with it. Its members stay agents. This cannot be undone.'}
            </Text>
          )}
        </Dialog>
      )}
    </>
  );
}
