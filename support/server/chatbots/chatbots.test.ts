import { beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { racing, startTestSupport, type TestSupport, widgetKey } from '../testing.ts';
import { visit } from '../visitors/testing.visitor.ts';

let app: TestSupport;
let asAdmin: TestSupport['call'];
let asPriya: TestSupport['call'];
let widgetId: string;
beforeAll(async () => {
  app = await startTestSupport(racing);
  asAdmin = app.callAs('admin');
  asPriya = app.callAs('priya');
  const [widget] = await app.support.query<{ id: string }>('select id from support.widgets where key = $1', [
    widgetKey,
  ]);
  widgetId = widget?.id as string;
});
beforeEach(() => app.support.query('update support.chatbots set is_live = false where is_live'));

const rules = {
  greeting: 'Hello!',
  questions: [
    { id: 'delivery', label: 'Where is my parcel?', keywords: ['parcel'], answer: 'On its way.' },
    { id: 'quote', label: 'A quote', keywords: ['quote'], answer: 'One moment.', hand_over: true },
  ],
  fallback: 'Pardon?',
  fallbacks_max: 1,
  hand_over_text: 'A person comes.',
};
const create = async (given: object = {}) =>
  (await asAdmin('POST', '/api/chatbots', { widget_id: widgetId, name: 'Lumi', rules, ...given })).body;
const goLive = ({ id, version }: { id: string; version: number }) =>
  asAdmin('PATCH', `/api/chatbots/${id}`, { is_live: true, expected_version: version });
const bodiesOf = async (visitor: { call: TestSupport['call'] }) =>
  (await visitor.call('GET', 'messages')).body.messages.map(
    ({ author, body }: { author: string; body: string }) => `${author}: ${body}`,
  );

describe('a visitor who meets a chatbot', () => {
  test('is greeted, is answered at once, and sees that the bot is a bot', async () => {
    await goLive(await create());
    const visitor = await visit(app);
    await visitor.say('where is my parcel');
    expect(await bodiesOf(visitor)).toEqual(['bot: Hello!', 'visitor: where is my parcel', 'bot: On its way.']);
    const { body } = await visitor.call('GET', 'messages');
    expect(body.session).toMatchObject({ handler: 'bot', agent: null });
    expect(body.messages[0].choices).toEqual([
      { id: 'delivery', label: 'Where is my parcel?' },
      { id: 'quote', label: 'A quote' },
    ]);
  });

  test('hears the language of their widget to the end, also when the widget speaks it no more, and one who says none hears its own', async () => {
    const translations = {
      de: { greeting: 'Hallo!', questions: { delivery: { label: 'Mein Paket?', answer: 'Kommt.' } } },
    };
    await goLive(await create({ rules: { ...rules, translations } }));
    const speak = async (languages: string[]) => {
      const { body } = await asAdmin('GET', `/api/widgets/${widgetId}`);
      const settings = { ...body.settings, languages, choice: 'browser' };
      const saved = await asAdmin('PATCH', `/api/widgets/${widgetId}`, { settings, expected_version: body.version });
      expect(saved.status).toBe(200);
    };
    await speak(['de']);
    const german = await visit(app, { widget_language: 'de', language: 'de-AT' });
    const config = (query: string) => app.callAnonymously('GET', `/api/widgets/${widgetKey}/config${query}`);
    expect((await config('?browser=nb,de-AT')).body).toMatchObject({ language: 'de', bot: { greeting: 'Hallo!' } });
    for (const hostile of ['', '?language=&browser=,,', '?language=%3Cscript%3E', '?language=ar&browser=constructor'])
      expect((await config(hostile)).body, hostile).toMatchObject({ language: 'en', bot: { greeting: 'Hello!' } });
    await speak([]);
    expect((await config('?browser=de')).body).toMatchObject({ language: 'en' });
    await german.call('POST', 'messages', { client_id: 'a', question_id: 'delivery', body: 'Mein Paket?' });
    expect(await bodiesOf(german)).toEqual(['bot: Hallo!', 'visitor: Mein Paket?', 'bot: Kommt.']);
    for (const given of [{}, { widget_language: 'de' }, { widget_language: 'xx' }])
      expect((await bodiesOf(await visit(app, given)))[0]).toBe('bot: Hello!');
  });

  test('who sends a message twice gets one answer', async () => {
    await goLive(await create());
    const visitor = await visit(app);
    await Promise.all(Array.from({ length: 10 }, () => visitor.say('parcel', 'once')));
    expect(await bodiesOf(visitor)).toEqual(['bot: Hello!', 'visitor: parcel', 'bot: On its way.']);
  });

  test('picks a question, or is handed over to a person by one', async () => {
    await goLive(await create());
    const visitor = await visit(app);
    const pick = (client_id: string, question_id: string, body: string) =>
      visitor.call('POST', 'messages', { client_id, body, question_id });
    await pick('a', 'delivery', 'Where is my parcel?');
    await pick('b', 'quote', 'A quote');
    expect((await bodiesOf(visitor)).slice(2)).toEqual([
      ...['bot: On its way.', 'visitor: A quote', 'bot: One moment.', 'bot: A person comes.'],
    ]);
    const inbox = await asPriya('GET', '/api/inbox?view=unassigned&limit=100');
    expect(inbox.body.sessions.map(({ id }: { id: string }) => id)).toContain(visitor.id);
  });

  test('asks for a person with one click, is handed over once however often they click, and hears no more from the bot', async () => {
    await goLive(await create());
    const countBot = async () => (await asPriya('GET', '/api/inbox/counts')).body.bot;
    const before = await countBot();
    const visitor = await visit(app);
    expect(await countBot()).toBe(before); // a visitor who was only greeted has asked nothing
    const asked = await Promise.all(Array.from({ length: 5 }, () => visitor.call('POST', 'hand-over', {})));
    expect(asked.map(({ status, body }) => [status, body.handler])).toEqual(Array(5).fill([200, 'agent']));
    await visitor.say('parcel');
    expect(await bodiesOf(visitor)).toEqual(['bot: Hello!', 'bot: A person comes.', 'visitor: parcel']);
    const { body } = await asPriya('GET', `/api/sessions/${visitor.id}`);
    expect(body.entries.map(({ kind }: { kind: string }) => kind)).toEqual(['handed_over']);
    expect(body.session.waiting_since).not.toBeNull();
  });

  test('whose bot was switched off meanwhile is handed to people with the next message', async () => {
    const bot = await create();
    await goLive(bot);
    const visitor = await visit(app);
    await asAdmin('DELETE', `/api/chatbots/${bot.id}`);
    await visitor.say('parcel');
    expect((await asPriya('GET', `/api/sessions/${visitor.id}`)).body.session).toMatchObject({ handler: 'agent' });
    expect((await bodiesOf(visitor)).at(-1)).toBe('visitor: parcel');
  });

  test('whose conversation an agent takes over hears no more from the bot', async () => {
    await goLive(await create());
    const visitor = await visit(app);
    await visitor.say('gibberish');
    await asPriya('POST', `/api/sessions/${visitor.id}/claim`, {});
    await visitor.say('parcel');
    expect((await bodiesOf(visitor)).at(-1)).toBe('visitor: parcel');
  });
});

describe('an administrator', () => {
  test('makes one chatbot of a widget live and thereby switches the other off, also when two are made live at once', async () => {
    const [one, two] = [await create({ name: 'One' }), await create({ name: 'Two' })];
    const answers = await Promise.all([goLive(one), goLive(two)]);
    expect(answers.map(({ status }) => status)).toContain(200);
    const { body } = await asAdmin('GET', '/api/chatbots');
    expect(body.chatbots.filter(({ is_live }: { is_live: boolean }) => is_live)).toHaveLength(1);
  });

  test('with an older version does not overwrite another administrator’s changes', async () => {
    const bot = await create();
    const change = (name: string, expected_version: number) =>
      asAdmin('PATCH', `/api/chatbots/${bot.id}`, { name, expected_version });
    expect((await change('First', bot.version)).body).toMatchObject({ name: 'First', version: bot.version + 1 });
    expect(await change('Second', bot.version)).toMatchObject({
      status: 409,
      body: { code: 'chatbot-version-conflict', expected: bot.version, actual: bot.version + 1 },
    });
  });

  test('tries rules that are not stored; an agent may try rules and not change them', async () => {
    const preview = (conversation: object[]) => asPriya('POST', '/api/chatbots/preview', { rules, conversation });
    expect((await preview([])).body.replies[0].body).toBe('Hello!');
    expect((await preview([{ author: 'visitor', body: 'a quote' }])).body).toMatchObject({ handler: 'agent' });
    expect(await asPriya('POST', '/api/chatbots', { widget_id: widgetId, name: 'Mine', rules })).toMatchObject({
      status: 403,
      body: { code: 'admin-only' },
    });
  });
});

test('rules for many questions in five languages can be saved and tried, and longer ones are refused with the limit', async () => {
  const questions = Array.from({ length: 40 }, (_, n) => ({
    ...{ id: `question-${n}`, label: `Question ${n}`, answer: 'word '.repeat(60), hand_over: false },
    keywords: ['one', 'two', 'three', 'four', 'five'],
  }));
  const translated = Object.fromEntries(
    questions.map(({ id, label, answer, keywords }) => [id, { label, answer, keywords }]),
  );
  const translations = Object.fromEntries(['de', 'fr', 'es', 'tr'].map((each) => [each, { questions: translated }]));
  const polyglot = { ...rules, questions, translations };
  const made = await create({ rules: polyglot });
  expect(Object.keys(made.rules.translations.tr.questions)).toHaveLength(40);
  const preview = await asAdmin('POST', '/api/chatbots/preview', { rules: polyglot, conversation: [], language: 'tr' });
  expect(preview.status).toBe(200);
  const long = { ...polyglot, questions: questions.map((each) => ({ ...each, answer: 'word '.repeat(400) })) };
  expect(await asAdmin('POST', '/api/chatbots', { widget_id: widgetId, name: 'Long', rules: long })).toMatchObject({
    status: 413,
    body: { detail: 'Send at most 122880 bytes in one request.' },
  });
});
