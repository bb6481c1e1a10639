import { showRefusal, showUndo } from '@aether/ui/toasts.tsx';
import { Switch, Tooltip } from '@mantine/core';
import { useMutation, useQueryClient } from '@tanstack/react-query';
import { changeChatbot, chatbotsQuery } from '../api/chatbots.ts';
import type { Chatbot } from '../api/records.ts';
import { useMe } from '../shell/person.ts';

/** Whether the chatbot answers visitors. */
export function LiveSwitch({ chatbot }: { chatbot: Chatbot }) {
  const client = useQueryClient();
  const { isAdmin } = useMe();
  const save = async (is_live: boolean, version: number) => {
    const changed = await changeChatbot(chatbot.id, { is_live }, version);
    await client.invalidateQueries({ queryKey: chatbotsQuery.queryKey });
    return changed;
  };
  const going = useMutation({
    mutationFn: (is_live: boolean) => save(is_live, chatbot.version),
    onSuccess: ({ version }, is_live) =>
      showUndo({
        message: is_live
          ? `${chatbot.name} talks to visitors of ${chatbot.widget.name} now.`
          : `${chatbot.name} is not live any more.`,
        undo: () => save(!is_live, version),
      }),
    onError: (error) => {
      void client.invalidateQueries({ queryKey: chatbotsQuery.queryKey });
      showRefusal('Nothing was switched', error);
    },
  });
  const shown = going.isPending ? going.variables : chatbot.is_live;
  return (
    <Tooltip label="Only administrators switch a chatbot on or off" disabled={isAdmin}>
      <div>
        <Switch
          label={shown ? 'Live' : 'Not live'}
          checked={shown}
          disabled={!isAdmin || going.isPending}
          onChange={(event) => going.mutate(event.currentTarget.checked)}
        />
      </div>
    </Tooltip>
  );
}
