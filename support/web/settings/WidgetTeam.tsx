import { Picker } from '@aether/ui/Picker.tsx';
import { showRefusal, showUndo } from '@aether/ui/toasts.tsx';
import { MultiSelect, Text } from '@mantine/core';
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { agentsQuery } from '../api/agents.ts';
import type { Widget } from '../api/records.ts';
import { teamsQuery } from '../api/teams.ts';
import { changeTeam, changeWidget } from '../api/widgets.ts';
import classes from './settings.module.css';

const none = 'none';

/** The team that answers this widget, or agents of its own. Saved at once. */
export function WidgetTeam({ widget }: { widget: Widget }) {
  const client = useQueryClient();
  const { data } = useQuery(teamsQuery);
  const teams = data?.teams ?? [];
  const save = async (team_id: string | null) => {
    await changeWidget(widget.id, { team_id });
    for (const key of ['widgets', 'teams']) await client.invalidateQueries({ queryKey: [key] });
  };
  const changing = useMutation({
    mutationFn: save,
    onSuccess: (_, team_id) =>
      showUndo({
        message:
          team_id === null
            ? `${widget.name} belongs to no team any more.`
            : `${teams.find(({ id }) => id === team_id)?.name ?? 'The team'} answers ${widget.name} now.`,
        undo: () => save(widget.of_team?.id ?? null),
      }),
    onError: (error) => showRefusal('The team was not changed', error),
  });
  return (
    <div className={classes.stack}>
      <Picker
        label="Team"
        description="Its members see the conversations. Its hours, its rule and its targets hold. Saved at once."
        disabled={changing.isPending}
        data={[{ value: none, label: 'No team' }, ...teams.map(({ id, name }) => ({ value: id, label: name }))]}
        value={widget.of_team?.id ?? none}
        onChange={(id) => id && id !== (widget.of_team?.id ?? none) && changing.mutate(id === none ? null : id)}
      />
      {widget.of_team ? (
        <Text size="sm">
          {widget.team.length === 0
            ? 'The team has no members: all agents answer.'
            : widget.team.map(({ name }) => name).join(', ')}{' '}
          <Link to="/settings/teams/$id" params={{ id: widget.of_team.id }}>
            Change the team
          </Link>
        </Text>
      ) : (
        <OwnAgents widget={widget} />
      )}
    </div>
  );
}

/** The agents of a widget that belongs to no team. */
function OwnAgents({ widget }: { widget: Widget }) {
  const client = useQueryClient();
  const { data } = useQuery(agentsQuery);
  const present = widget.team.map(({ id }) => id);
  const save = async (ids: string[]) => {
    await changeTeam(widget.id, ids);
    await client.invalidateQueries({ queryKey: ['widgets'] });
  };
  const changing = useMutation({
    mutationFn: save,
    onSuccess: () => showUndo({ message: `The agents of ${widget.name} were changed.`, undo: () => save(present) }),
    onError: (error) => showRefusal('The agents were not changed', error),
  });
  const agents = (data?.agents ?? []).filter(({ id, is_active }) => is_active || present.includes(id));
  return (
    <MultiSelect
      size="xs"
      label="Agents"
      description="They see its conversations. With none, all agents do. Saved at once."
      searchable
      selectFirstOptionOnChange
      data={agents.map(({ id, name }) => ({ value: id, label: name }))}
      value={changing.isPending ? changing.variables : present}
      placeholder={present.length === 0 ? 'All agents' : undefined}
      onChange={(ids) => changing.mutate(ids)}
    />
  );
}
