import { showDone, showRefusal, showUndo } from '@aether/ui/toasts.tsx';
import { useMutation, useQueryClient } from '@tanstack/react-query';
import { type Act, actOnSessions, type OnlyIf, type Outcome } from '../api/acts.ts';
import { catchUp } from '../api/conversation.ts';

type Acting = { ids: string[]; act: Act; done: string };

const conversations = (count: number) => (count === 1 ? '1 conversation' : `${count} conversations`);

/** What an act has done, in one sentence. Pure. */
export function sayOutcome(done: string, { changed, unchanged, refused }: Outcome): string {
  const said = [
    `${conversations(changed.length)} ${changed.length === 1 ? done.replace(/^have /, 'has ') : done}`,
    ...(unchanged > 0 ? [`${unchanged} ${unchanged === 1 ? 'was' : 'were'} so before`] : []),
    ...(refused.length > 0 ? [`${refused.length} not changed`] : []),
  ];
  return `${said.join(', ')}.`;
}

/** Does one act to several conversations, says what it did, and offers to undo exactly that. `onRefused` gets what was left out. */
export function useActing(onRefused: (outcome: Outcome) => void) {
  const client = useQueryClient();
  const refresh = (ids: string[]) => {
    void client.invalidateQueries({ queryKey: ['inbox'] });
    void client.invalidateQueries({ queryKey: ['counts'] });
    for (const id of ids) if (client.getQueryData(['session', id])) void catchUp(client, id);
  };
  const acting = useMutation({
    mutationFn: ({ ids, act }: Acting) => actOnSessions(ids, act),
    onSuccess: (outcome, { act, done }) => {
      const ids = outcome.changed.map(({ id }) => id);
      refresh(ids);
      if (outcome.refused.length > 0) onRefused(outcome);
      const message = sayOutcome(done, outcome);
      const opposites = act.kind === 'end' ? [] : oppositesOf(act, outcome);
      if (opposites.length === 0) {
        showDone(message);
        return;
      }
      showUndo({
        message,
        undo: async () => {
          const undone: Outcome[] = [];
          for (const each of opposites) undone.push(await actOnSessions(each.ids, each.act, each.onlyIf));
          refresh(ids);
          const left = undone.flatMap(({ refused }) => refused);
          const count = undone.reduce((sum, { changed }) => sum + changed.length, 0);
          if (left.length === 0) return `Undone for ${conversations(count)}.`;
          return `Undone for ${conversations(count)}. ${left.length} stay as they are: ${left[0]?.detail ?? ''}`;
        },
      });
    },
    onError: (error) => showRefusal('Nothing was changed', error),
  });
  return { run: acting.mutate, isPending: acting.isPending };
}

/** The acts that take another one back: those that had the same before go together. Pure. */
export function oppositesOf(
  act: Exclude<Act, { kind: 'end' }>,
  { changed }: Outcome,
): { ids: string[]; act: Act; onlyIf?: OnlyIf }[] {
  if (changed.length === 0) return [];
  switch (act.kind) {
    case 'tag':
    case 'untag':
      return [{ ids: changed.map(({ id }) => id), act: { ...act, kind: act.kind === 'tag' ? 'untag' : 'tag' } }];
    case 'assign':
      // The assignment has woken those that were snoozed.
      return [
        ...Map.groupBy(changed, ({ agent_id, snoozed_until }) => JSON.stringify([agent_id, snoozed_until])).values(),
      ].map((some) => {
        const [{ agent_id, snoozed_until }] = some as [(typeof some)[number]];
        return {
          ids: some.map(({ id }) => id),
          act: { kind: 'assign', agent_id, ...(snoozed_until !== null && { snoozed_until }) },
          onlyIf: { agent_id: act.agent_id },
        };
      });
    case 'priority':
      return [...Map.groupBy(changed, ({ priority }) => priority)].map(([priority, some]) => ({
        ids: some.map(({ id }) => id),
        act: { kind: 'priority', priority },
        onlyIf: { priority: act.priority },
      }));
  }
}
