import { queryOptions } from '@tanstack/react-query';
import { call } from './call.ts';
import type { Chatbot, PreviewAnswer, Rules, Turn } from './records.ts';

export const chatbotsQuery = queryOptions({
  queryKey: ['chatbots'],
  queryFn: ({ signal }) => call<{ chatbots: Chatbot[] }>('GET', 'chatbots', { signal }),
});

type ChatbotAnswer = Chatbot | { chatbot: Chatbot };
const unwrap = (answer: ChatbotAnswer): Chatbot => ('chatbot' in answer ? answer.chatbot : answer);

export const createChatbot = async (body: { widget_id: string; name: string; rules: Rules }) =>
  unwrap(await call<ChatbotAnswer>('POST', 'chatbots', { body }));
export const changeChatbot = async (
  id: string,
  change: Partial<Pick<Chatbot, 'name' | 'rules' | 'is_live'>>,
  expected_version: number,
) => unwrap(await call<ChatbotAnswer>('PATCH', `chatbots/${id}`, { body: { ...change, expected_version } }));
export const deleteChatbot = (id: string) => call<void>('DELETE', `chatbots/${id}`);

/** What the bot of these rules, saved or not, says next. `at` is a moment to pretend. */
export const previewChatbot = (rules: Rules, conversation: Turn[], at?: string) =>
  call<PreviewAnswer>('POST', 'chatbots/preview', { body: { rules, conversation, at } });
