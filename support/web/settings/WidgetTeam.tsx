import { showRefusal, showUndo } from '@aether/ui/toasts.tsx';
import { MultiSelect } from '@mantine/core';
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { agentsQuery } from '../api/agents.ts';
import type { Widget } from '../api/records.ts';
import { changeTeam } from '../api/widgets.ts';

/** The agents who answer this widget. Saved at once. */
export function WidgetTeam({ widget }: { widget: Widget }) {
  const client = useQueryClient();
  const { data } = useQuery(agentsQuery);
  const present = widget.team.map(({ id }) => id);
  const save = async (ids: string[]) => {
    await changeTeam(widget.id, ids);
    await client.invalidateQueries({ queryKey: ['widgets'] });
  };
  const changing = useMutation({
    mutationFn: save,
    onSuccess: () => showUndo({ message: `The team of ${widget.name} was changed.`, undo: () => save(present) }),
    onError: (error) => showRefusal('The team was not changed', error),
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
