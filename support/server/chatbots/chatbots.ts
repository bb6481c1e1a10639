import { NotFound, patchRow, type Queryable, type Transaction, VersionConflict } from '@aether/platform';
import { addEntry } from '../conversations/entries.ts';
import { addMessage } from '../conversations/messages.ts';
import type { LockedSession } from '../conversations/sessions.ts';
import { answer, type BotReply, type BotRules, type BotTranslations, greet, handOver, type Said } from './bot.ts';
import { inLanguage } from './translations.ts';

export type Chatbot = {
  id: string;
  widget: { id: string; name: string };
  name: string;
  rules: BotRules & { translations: BotTranslations };
  /** The chatbot that answers for its widget; at most one per widget. */
  is_live: boolean;
  version: number;
};

const chatbotColumns = `b.id, jsonb_build_object('id', w.id, 'name', w.name) as widget, b.name,
  '{"translations": {}}'::jsonb || b.rules as rules, b.is_live, b.version`;
const chatbotTables = 'support.chatbots b join support.widgets w on w.id = b.widget_id';

export function listChatbots(on: Queryable): Promise<Chatbot[]> {
  return on.query<Chatbot>(`select ${chatbotColumns} from ${chatbotTables} order by w.name, b.name, b.id`);
}

/** @throws NotFound */
export async function getChatbot(on: Queryable, id: string): Promise<Chatbot> {
  const [bot] = await on.query<Chatbot>(`select ${chatbotColumns} from ${chatbotTables} where b.id = $1`, [id]);
  if (!bot) throw new NotFound('chatbot');
  return bot;
}

/** Creates a chatbot that is not live yet. @throws NotFound when the widget does not exist */
export async function createChatbot(
  tx: Transaction,
  { widget_id, name, rules }: { widget_id: string; name: string; rules: BotRules },
): Promise<Chatbot> {
  const found = await tx.query('select from support.widgets where id = $1', [widget_id]);
  if (found.length === 0) throw new NotFound('widget');
  const [made] = await tx.query<{ id: string }>(
    'insert into support.chatbots (widget_id, name, rules) values ($1, $2, $3) returning id',
    [widget_id, name, JSON.stringify(rules)],
  );
  return getChatbot(tx, (made as { id: string }).id);
}

/** Changes a chatbot; one that goes live replaces the live one. @throws NotFound, VersionConflict */
export async function updateChatbot(
  tx: Transaction,
  id: string,
  { expected_version, ...change }: { name?: string; rules?: BotRules; is_live?: boolean; expected_version: number },
): Promise<Chatbot> {
  const [held] = await tx.query<{ version: number; widget_id: string }>(
    'select version, widget_id from support.chatbots where id = $1 for update',
    [id],
  );
  if (!held) throw new NotFound('chatbot');
  if (held.version !== expected_version) throw new VersionConflict('chatbot', expected_version, held.version);
  if (change.is_live) {
    // If two go live at once, the second waits here and then switches the first off.
    await tx.query('select from support.widgets where id = $1 for no key update', [held.widget_id]);
    await tx.query('update support.chatbots set is_live = false where widget_id = $1 and is_live and id <> $2', [
      held.widget_id,
      id,
    ]);
  }
  const rules = change.rules && JSON.stringify(change.rules);
  await patchRow(tx, 'support.chatbots', id, { ...change, rules }, ['name', 'rules', 'is_live']);
  return getChatbot(tx, id);
}

/** @throws NotFound */
export async function deleteChatbot(tx: Transaction, id: string): Promise<void> {
  const gone = await tx.query('delete from support.chatbots where id = $1 returning id', [id]);
  if (gone.length === 0) throw new NotFound('chatbot');
}

/** The live chatbot of a widget. One without office hours has those of the widget's team. */
export async function findLiveBot(
  on: Queryable,
  widgetId: string,
): Promise<{ name: string; rules: BotRules } | undefined> {
  const [bot] = await on.query<{ name: string; rules: BotRules }>(
    `select b.name, case when jsonb_typeof(b.rules -> 'office_hours') = 'object' or t.hours is null then b.rules
       else b.rules || jsonb_build_object('office_hours', t.hours) end as rules
     from support.chatbots b join support.widgets w on w.id = b.widget_id left join support.teams t on t.id = w.team_id
     where b.widget_id = $1 and b.is_live`,
    [widgetId],
  );
  return bot;
}

/** The bot's greeting in a session that was just opened. */
export async function greetVisitor(tx: Transaction, held: LockedSession, rules: BotRules): Promise<void> {
  await say(tx, held, greet(inLanguage(rules, held.widget_language)), 'greeting');
}

/** The bot answers the visitor's latest message in the same transaction: once, and before any other message. */
export async function answerVisitor(
  tx: Transaction,
  held: LockedSession,
  { number, questionId, at = new Date() }: { number: number; questionId?: string; at?: Date },
): Promise<void> {
  const bot = await findLiveBot(tx, held.widget_id);
  if (!bot) return passOn(tx, held);
  const said = await tx.query<Said>(
    'select author, body from support.messages where session_id = $1 and number <= $2 order by number',
    [held.id, number],
  );
  const last = said.at(-1);
  if (last) last.question_id = questionId;
  const turn = answer(inLanguage(bot.rules, held.widget_language), said, at);
  await say(tx, held, turn.replies, `answer-${number}`);
  if (turn.handler === 'agent') await passOn(tx, held);
}

/**
 * The visitor asks for a person. A bot says its last words; for a visitor who already talks to a person nothing changes.
 *
 * @param held the session, held by the transaction and active.
 */
export async function handOverToAgent(tx: Transaction, held: LockedSession, at = new Date()): Promise<void> {
  if (held.handler === 'agent') return;
  const bot = await findLiveBot(tx, held.widget_id);
  if (bot)
    await say(
      tx,
      held,
      handOver(inLanguage(bot.rules, held.widget_language), at).replies,
      `hand-over-${held.message_count}`,
    );
  await passOn(tx, held);
}

async function passOn(tx: Transaction, held: LockedSession): Promise<void> {
  await tx.query(
    `update support.sessions set handler = 'agent', asked_at = coalesce(asked_at, now()),
      waiting_since = coalesce(waiting_since, now()) where id = $1`,
    [held.id],
  );
  await addEntry(tx, held.id, 'handed_over');
}

async function say(tx: Transaction, held: LockedSession, replies: BotReply[], named: string): Promise<void> {
  for (const [index, { body, choices }] of replies.entries())
    await addMessage(tx, held.id, {
      author: 'bot',
      clientId: `${named}-${index}`,
      body,
      choices: choices ?? undefined,
    });
}

/** The bot's answer under rules that need not be stored. */
export function previewChatbot(given: BotRules, conversation: Said[], at: Date, language: string | null = null) {
  const rules = inLanguage(given, language);
  return conversation.length === 0
    ? { replies: greet(rules), handler: 'bot' as const }
    : answer(rules, conversation, at);
}
