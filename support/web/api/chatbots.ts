import { read } from '@aether/ui/request.ts';
import { queryOptions } from '@tanstack/react-query';
import { chatbots } from './clients.ts';
import type { Chatbot, Rules, Turn, WidgetSettings } from './records.ts';

export const chatbotsQuery = queryOptions({
  queryKey: ['chatbots'],
  queryFn: ({ signal }) => read(chatbots.$get({}, { init: { signal } })),
});

export const createChatbot = (json: { widget_id: string; name: string; rules: Rules }) =>
  read(chatbots.$post({ json }));

export const deleteChatbot = (id: string) => read(chatbots[':id'].$delete({ param: { id } }));

type Change = Partial<Pick<Chatbot, 'name' | 'rules' | 'is_live'>>;
export const changeChatbot = (id: string, change: Change, expected_version: number) =>
  read(chatbots[':id'].$patch({ param: { id }, json: { ...change, expected_version } }));

/** The next reply of a bot with these rules, saved or not. `at` is a moment to simulate. */
export const previewChatbot = (
  rules: Rules,
  conversation: Turn[],
  { at, language }: { at?: string | undefined; language?: WidgetSettings['language'] | undefined } = {},
) => read(chatbots.preview.$post({ json: { rules, conversation, at, language } }));
