import type { Browser, Page, Route } from 'playwright-core';
import { afterEach, beforeAll, describe, expect, test } from 'vitest';
import { findBarriers } from './testing.barriers.ts';
import { intercept, openBrowser, undoLast } from './testing.browser.ts';
import { wide } from './testing.measure.ts';
import { findMisfits } from './testing.misfits.mjs';
import { follow, type Stack, signIn, startStack } from './testing.stack.ts';

let browser: Browser;
let stack: Stack;
let priya: Page;
let errors: string[];
let unique = 0;
beforeAll(async () => {
  [browser, stack] = await Promise.all([openBrowser(), startStack()]);
  ({ page: priya, errors } = await signIn(browser, stack.support, 'Priya Nair'));
  // A widget without a bot, so that messages go to people.
  const widget = (await api('POST', '/api/widgets', { name: 'No Robot' }, 'maya')).body;
  key = widget.key;
  widgetId = widget.id;
}, 240_000);
afterEach(async () => {
  await priya.setViewportSize(wide); // a test that failed at another width must not fail the next one
  expect(errors.splice(0)).toEqual([]);
});

let key: string;
let widgetId: string;
const api = (method: string, path: string, body?: unknown, as = 'priya') =>
  stack.call(method, `${stack.support}${path}`, { as, body });
const crm = (method: string, path: string, body?: unknown) =>
  stack.call(method, `${stack.foundation}${path}`, { as: 'maya', body });
const open = (path: string, page = priya) => follow(page, `${stack.support}${path}`);
const row = (name: string, page = priya) => page.locator('[data-session]', { hasText: name }).getByRole('link');
const answerTo = (name: string, page = priya) => page.getByLabel(`Answer to ${name}`);
const messages = (page = priya) => page.getByRole('log', { name: 'Messages' });

/** A visitor who writes to the widget over HTTP. */
async function visit(name: string, first = 'Hello?') {
  const email = `desk${++unique}@post.example`;
  const { body } = await stack.call('POST', `${stack.support}/api/widgets/${key}/sessions`, { body: { email, name } });
  const { session_id: id, visitor_token: bearer } = body;
  const call = (method: string, path: string, given?: object) =>
    stack.call(method, `${stack.support}/api/sessions/${id}/${path}`, { bearer, body: given });
  const say = (text: string) => call('POST', 'messages', { client_id: `e2e-${++unique}`, body: text });
  await say(first);
  const read = async () => (await call('GET', 'messages?after=0')).body;
  return { id: id as string, name, email, call, say, read };
}

describe('the inbox', () => {
  test('gives a conversation to one of two agents, and the other sees the owner before a takeover', async () => {
    const visitor = await visit('Greta Guarded');
    const { page: tom, leave } = await signIn(browser, stack.support, 'Tom Berglund');
    // What Tom reads is on its way while Priya comes, and does not know of her.
    const [asked, came] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    const hold = async (route: Route) => {
      const response = await route.fetch();
      asked.resolve();
      await came.promise;
      await route.fulfill({ response });
    };
    await intercept(tom, new RegExp(`/api/sessions/${visitor.id}(\\?|$)`), hold);
    const opening = open(`/sessions/${visitor.id}?view=unassigned`, tom);
    await asked.promise;
    const told = priya.waitForResponse(/\/presence$/);
    await open(`/sessions/${visitor.id}?view=unassigned`);
    await told;
    came.resolve();
    await opening;
    await tom.getByText(/Priya is looking at this too/).waitFor();
    await answerTo('Greta Guarded', tom).fill('I am writing');
    await priya.getByText(/Tom is typing an answer/).waitFor();
    await tom.getByRole('button', { name: 'Claim' }).click();
    await priya.getByText('With Tom Berglund').waitFor();
    await answerTo('Greta Guarded').fill('So am I');
    await answerTo('Greta Guarded').press('Enter');
    await priya
      .getByText(/Tom Berglund has this conversation/)
      .first()
      .waitFor();
    expect((await visitor.read()).messages).toHaveLength(1);
    await priya.getByRole('button', { name: 'Take over' }).last().click();
    const dialog = priya.getByRole('dialog', { name: 'Tom Berglund has this conversation' });
    await dialog.getByRole('button', { name: 'Take over' }).click();
    await tom.getByText('With Priya Nair').waitFor();
    await leave();
  });

  test('holds its rows still under the pointer: a row that left says so, and what has changed waits below the list', async () => {
    const visitor = await visit('Gus Gone');
    await open('/inbox?view=unassigned');
    await row('Gus Gone').hover();
    await api('POST', `/api/sessions/${visitor.id}/claim`, {}, 'tom');
    await row('Gus Gone').getByText('No longer in this list').waitFor();
    expect(await row('Gus Gone').getByText('Unassigned').count()).toBe(0);
    expect(await priya.evaluate(findMisfits)).toEqual([]);
    await priya.getByRole('button', { name: /^(Sort again|Show \d+ new)$/ }).click();
    await row('Gus Gone').waitFor({ state: 'detached' });
  });

  test('tells an agent who looks elsewhere what was handed on and written, by desktop and in the title, until it is opened', async () => {
    const here = (state: 'visible' | 'hidden') =>
      priya.evaluate(`{
        Object.defineProperty(document, 'visibilityState', { value: '${state}', configurable: true });
        document.dispatchEvent(new Event('visibilitychange'));
      }`);
    // A browser without a head shows no notification, so it is written down what would be shown.
    await priya.evaluate(`{
      globalThis.told = [];
      globalThis.Notification = class { static permission = 'granted'; constructor(title, { body }) { told.push([title, body]); } close() {} };
    }`);
    const told = () => priya.evaluate<[title: string, body: string][]>('told');
    const countInTitle = async () => Number(/^\((\d+)/.exec(await priya.title())?.[1] ?? 0);
    await open('/inbox?view=mine');
    await priya.getByRole('button', { name: /Availability/ }).click();
    await priya.getByRole('menuitem', { name: 'Sound and notifications…' }).click();
    const dialog = priya.getByRole('dialog', { name: 'Sound and notifications' });
    await dialog.getByLabel('A notification of the desktop').check();
    await dialog.getByLabel('Quiet from').fill('22:00');
    await look('attention');
    await dialog.getByRole('button', { name: 'Save' }).click();
    await dialog.getByText('Give both times, or neither.').waitFor();
    await dialog.getByLabel('Quiet from').fill('');
    await dialog.getByRole('button', { name: 'Save' }).click();
    await dialog.waitFor({ state: 'detached' });

    const before = await countInTitle();
    const visitor = await visit('Hilda Handed', 'Is it in stock?');
    await api('POST', `/api/sessions/${visitor.id}/claim`, {}, 'tom');
    await api('POST', `/api/sessions/${visitor.id}/seen`, { number: 1 }, 'tom');
    await here('hidden');
    const { body } = await api('GET', '/api/agents/me');
    await api('POST', `/api/sessions/${visitor.id}/assign`, { agent_id: body.agent.id, note: 'Knows you' }, 'tom');
    await expect.poll(told).toContainEqual(['Hilda Handed was handed to you', 'Is it in stock?']);
    await visitor.say('And in blue?');
    await expect.poll(told).toContainEqual(['Hilda Handed writes', 'And in blue?']);
    await expect.poll(countInTitle).toBe(before + 1);
    expect(await priya.locator('link[rel=icon]').getAttribute('href')).toMatch(/^data:image\/png/);
    await row('Hilda Handed').getByText('handed to you').waitFor();
    await look('handed');
    await here('visible');
    await row('Hilda Handed').click();
    await messages().getByText('And in blue?').waitFor();
    await expect.poll(countInTitle).toBe(before);
    await visitor.say('I see it now.');
    await messages().getByText('I see it now.').waitFor();
    expect((await told()).map(([, text]) => text)).not.toContain('I see it now.');
    await priya.evaluate(`delete document.visibilityState`);
  });

  test('gets a conversation of a team by its rule, with the time that is left, and sorts by it', async () => {
    const { agents } = (await api('GET', '/api/agents')).body;
    const { id: agent_id } = agents.find(({ name }: { name: string }) => name === 'Priya Nair');
    const targets = { first_response: 30, resolution: 480, clock: 'always', warn_minutes: 5 };
    const rule = { assigning: 'round_robin', members: [{ agent_id, languages: [] }], targets };
    const team = (await api('POST', '/api/teams', { name: 'Night desk', ...rule }, 'maya')).body;
    const own = (await api('POST', '/api/widgets', { name: 'At night' }, 'maya')).body;
    await api('PATCH', `/api/widgets/${own.id}`, { team_id: team.id }, 'maya');
    await open('/inbox?view=mine');
    await priya.getByText('Choose a conversation').first().hover(); // under the pointer the list would hold still
    const plain = key;
    key = own.key;
    const visitor = await visit('Tilda Timed').finally(() => {
      key = plain;
    });
    await row('Tilda Timed')
      .getByText(/^(29|30) min left$/)
      .waitFor();
    await row('Tilda Timed').click();
    await priya.getByText('Given to Priya Nair by the rule of the team').waitFor();
    await priya.getByText(/^First answer (29|30) min left$/).waitFor();
    await priya.getByLabel('Targets').selectOption('Due, next first');
    await row('Tilda Timed').waitFor();
    expect(await findBarriers(priya)).toEqual([]);
    expect(await priya.evaluate(findMisfits)).toEqual([]);
    if (process.env.AETHER_LOOK) await priya.screenshot({ path: `${process.env.AETHER_LOOK}/support-timed.png` });
    await answerTo('Tilda Timed').fill('Good night');
    await answerTo('Tilda Timed').press('Enter');
    await priya.getByText(/^End (7 h 59 min|8 h) left$/).waitFor();
    await api('POST', `/api/sessions/${visitor.id}/end`, { resolved: true });
    await priya.getByRole('button', { name: 'Open again' }).first().click();
    await priya.getByText('Priya Nair opened this again').waitFor();
    await api('POST', `/api/sessions/${visitor.id}/end`, { resolved: true });
  });

  test('moves by J and K and opens by Enter, and the palette finds a conversation', async () => {
    await visit('Kara Key');
    await open('/inbox?view=unassigned');
    await row('Kara Key').waitFor();
    await priya.keyboard.press('j');
    await priya.locator('a:focus[data-session], [data-session] a:focus, [data-session]:focus').first().waitFor();
    await priya.keyboard.press('Enter');
    await priya.waitForURL(/\/sessions\//);
    await priya.keyboard.press('Control+k');
    await priya.getByPlaceholder('Name, number or command').fill('Kara Key');
    await priya.getByRole('dialog').getByText('Kara Key').first().waitFor();
    await priya.keyboard.press('Escape');
  });
});

describe('a conversation', () => {
  test('shows that the visitor types and has read, and the answer reaches the visitor', async () => {
    const visitor = await visit('Theo Typing');
    await open(`/sessions/${visitor.id}?view=mine`);
    await answerTo('Theo Typing').waitFor();
    // Repeated like a widget does: an agent who was not there at first sees it the next time.
    await expect
      .poll(
        async () => {
          await visitor.call('POST', 'typing', { is_typing: true });
          return priya.getByText('Theo Typing is typing').isVisible();
        },
        { interval: 500, timeout: 20_000 },
      )
      .toBe(true);
    await visitor.say('One more thing');
    await messages().getByText('One more thing').waitFor();
    await priya.getByText('Theo Typing is typing').waitFor({ state: 'detached' });
    await answerTo('Theo Typing').fill('Tell me');
    await answerTo('Theo Typing').press('Enter');
    await messages().getByText('Tell me').waitFor();
    await expect.poll(async () => (await visitor.read()).messages.at(-1).body).toBe('Tell me');
    await visitor.call('POST', 'read', { number: 3 });
    await messages()
      .getByText(/^Read \d\d:\d\d/)
      .waitFor();
    expect((await visitor.read()).session.agent_read_number).toBe(3);
  });

  test('takes canned answers by a slash, with the names filled in', async () => {
    const visitor = await visit('Cleo Canned');
    await open(`/sessions/${visitor.id}?view=mine`);
    await answerTo('Cleo Canned').fill('/hel');
    await priya.getByRole('option', { name: /Greeting/ }).waitFor();
    await answerTo('Cleo Canned').press('Enter');
    await answerTo('Cleo Canned').press('Enter');
    await expect
      .poll(async () => (await visitor.read()).messages.at(-1).body)
      .toBe('Hello Cleo Canned, this is Priya Nair. How can I help?');
  });

  test('that ends while the line is cut does not take the answer: it says so, and the words become a note', async () => {
    const visitor = await visit('Elsa Ended');
    await api('POST', `/api/sessions/${visitor.id}/claim`, {});
    await open(`/sessions/${visitor.id}?view=mine`);
    await answerTo('Elsa Ended').fill('It is on its way');
    await priya.context().setOffline(true);
    await answerTo('Elsa Ended').press('Enter');
    await messages().getByText('It is sent again by itself').waitFor();
    await answerTo('Elsa Ended').fill('And half a');
    await api('POST', `/api/sessions/${visitor.id}/end`, { resolved: true });
    await priya.context().setOffline(false);
    await messages().getByRole('button', { name: 'Discard' }).waitFor();
    expect(await messages().getByRole('button', { name: 'Send again' }).count()).toBe(0);
    await priya.getByText('Your answer was not sent: “And half a”').waitFor();
    await messages().getByRole('button', { name: 'Make it a note' }).click();
    expect(await priya.getByRole('textbox', { name: 'Note for the other agents' }).inputValue()).toBe(
      'It is on its way',
    );
    await priya.getByRole('button', { name: 'Discard' }).click();
    await priya.getByRole('textbox', { name: 'Note for the other agents' }).fill('');
    errors.splice(0); // the browser reports each request without a connection
  });

  test('shows notes only to agents', async () => {
    const visitor = await visit('Nils Note');
    await open(`/sessions/${visitor.id}?view=mine`);
    await priya
      .getByRole('radio', { name: 'Note' })
      .or(priya.getByRole('button', { name: 'Note' }))
      .first()
      .click();
    const note = priya.getByRole('textbox', { name: 'Note for the other agents' });
    await note.fill('Sounds angry, be kind');
    await note.press('Enter');
    await messages().getByText('Sounds angry, be kind').waitFor();
    // It is on the page before it is at the server.
    await expect
      .poll(async () => (await api('GET', `/api/sessions/${visitor.id}`)).body.entries)
      .toMatchObject([{ kind: 'note', body: 'Sounds angry, be kind' }]);
    expect(JSON.stringify(await visitor.read())).not.toContain('angry');
  });

  test('keeps a half-written answer over a reload, and forgets one of long ago', async () => {
    const visitor = await visit('Dora Draft');
    const old = { id: 'old', at: '2020-01-01T12:00:00Z', value: {} };
    await priya.evaluate(`localStorage.setItem('aether.draft.demo-priya/answer:old', '${JSON.stringify(old)}')`);
    await open(`/sessions/${visitor.id}?view=mine`);
    await answerTo('Dora Draft').fill('Well, as for your');
    await priya.reload();
    await answerTo('Dora Draft').waitFor();
    expect(await answerTo('Dora Draft').inputValue()).toBe('Well, as for your');
    await answerTo('Dora Draft').fill('');
    expect(await priya.evaluate(`Object.keys(localStorage).join()`)).not.toContain('aether.draft');
  });

  test('is given to another agent with a note, in which a colleague is mentioned by keyboard', async () => {
    const visitor = await visit('Tara Transfer');
    await api('POST', `/api/sessions/${visitor.id}/claim`, {});
    await open(`/sessions/${visitor.id}?view=mine`);
    await priya.getByRole('button', { name: 'Transfer' }).click();
    const dialog = priya.getByRole('dialog', { name: /Transfer Tara Transfer/ });
    await dialog.getByRole('radio', { name: /Tom Berglund/ }).check();
    // Escape closes the list alone.
    const note = dialog.getByLabel('Note for them');
    await note.fill('Yours, I think, @tom');
    const people = dialog.getByRole('listbox', { name: 'People to mention' });
    await people.getByText('Tom Berglund').waitFor();
    await note.press('Escape');
    await people.waitFor({ state: 'detached' });
    await note.fill('');
    await note.fill('Yours, I think, @tom');
    await people.getByText('Tom Berglund').waitFor();
    await note.press('Enter');
    expect(await note.inputValue()).toBe('Yours, I think, @Tom Berglund ');
    await dialog.getByRole('button', { name: 'Transfer' }).click();
    await priya.getByText('With Tom Berglund').waitFor();
    const { session, entries } = (await api('GET', `/api/sessions/${visitor.id}`)).body;
    expect(session.agent.name).toBe('Tom Berglund');
    expect(JSON.stringify(entries)).toMatch(/Yours, I think, <@demo-tom>/);
  });

  test('is snoozed, and comes back when the visitor writes', async () => {
    const visitor = await visit('Sven Snooze');
    await api('POST', `/api/sessions/${visitor.id}/claim`, {});
    await open(`/sessions/${visitor.id}?view=mine`);
    await row('Sven Snooze').first().waitFor();
    await priya.getByRole('button', { name: 'Snooze' }).click();
    await priya.getByRole('dialog').getByRole('button', { name: 'Snooze', exact: true }).click();
    await priya
      .getByText(/Snoozed until/)
      .first()
      .waitFor();
    await row('Sven Snooze').waitFor({ state: 'detached' });
    await visitor.say('Still here');
    await row('Sven Snooze').first().waitFor();
    expect((await api('GET', `/api/sessions/${visitor.id}`)).body.session.snoozed_until).toBeNull();
  });
});

describe('beside the conversation', () => {
  test('changes to Support’s own fields appear in Foundation', async () => {
    const visitor = await visit('Lena Lindt');
    await open(`/sessions/${visitor.id}?view=mine`);
    await priya.getByRole('combobox', { name: 'Language' }).or(priya.getByLabel('Language')).first().click();
    await priya.keyboard.type('German');
    await priya
      .getByRole('option', { name: /German/ })
      .first()
      .click();
    await priya.getByText('Language of Lena Lindt was changed.').waitFor();
    const [customer] = (await crm('GET', `/api/customers?search=${visitor.email}`)).body.customers;
    expect((await crm('GET', `/api/customers/${customer.id}`)).body.customer).toMatchObject({
      preferred_language: 'de',
    });
  });

  test('the panel reports that Foundation does not answer, and shows the rest', async () => {
    const visitor = await visit('Paul Partial');
    await open(`/sessions/${visitor.id}?view=mine`);
    await priya.getByRole('link', { name: 'Paul Partial' }).first().waitFor();
    await intercept(priya, /\/api\/sessions\/.*\/context/, async (route) => {
      const answer = await route.fetch();
      const context = { ...(await answer.json()), crm: null, partial: true, reason: 'Foundation does not answer.' };
      await route.fulfill({ response: answer, json: context });
    });
    await priya.getByRole('button', { name: 'Read the customer again' }).click();
    await priya.getByText('Foundation does not answer. What Support itself knows is below.').waitFor();
    await priya.getByText('Not known at the moment').waitFor();
    await priya.unrouteAll({ behavior: 'ignoreErrors' }); // one may be on its way
  });
});

test('a call is logged for the customer with that number, and Foundation shows it', async () => {
  const customer = (
    await crm('POST', '/api/customers', {
      name: 'Cara Caller',
      email: `cara${++unique}@example.com`,
      phone: '+49 30 5550 4711',
    })
  ).body;
  await open('/calls');
  await priya.getByRole('button', { name: 'Log a call' }).click();
  const dialog = priya.getByRole('dialog', { name: 'Log a call' });
  await dialog.getByRole('button', { name: 'Log call' }).click();
  await dialog.getByText('Choose how the call ended.').waitFor();
  await dialog.getByLabel('Number').fill('+49 (0)30 55504711');
  await dialog.getByText(/This is Cara Caller/).waitFor();
  await dialog.getByRole('combobox', { name: 'Outcome' }).or(dialog.getByLabel('Outcome')).first().click();
  await priya.getByRole('option', { name: 'Resolved' }).click();
  await dialog.getByLabel('Notes').fill('Wants a brass arm');
  await dialog.getByRole('button', { name: 'Log call' }).click();
  await priya.getByText(/Cara Caller, found by the number, is in Foundation’s timeline/).waitFor();
  // Without a connection the next one waits, and is logged once when the line is back.
  await priya.getByRole('button', { name: 'Log a call' }).click();
  await dialog.getByLabel('Number').fill('+49 (0)30 55504711');
  await dialog.getByText(/This is Cara Caller/).waitFor();
  await dialog.getByRole('combobox', { name: 'Outcome' }).or(dialog.getByLabel('Outcome')).first().click();
  await priya.getByRole('option', { name: 'Resolved' }).click();
  await priya.context().setOffline(true);
  await dialog.getByRole('button', { name: 'Log call' }).click();
  await priya
    .getByRole('list', { name: 'Not sent yet' })
    .getByText(/waits for the connection/)
    .waitFor();
  await priya.context().setOffline(false);
  await priya.getByRole('list', { name: 'Not sent yet' }).waitFor({ state: 'detached' });
  errors.splice(0); // the browser reports each request without a connection
  const { entries } = (await crm('GET', `/api/customers/${customer.id}/timeline`)).body;
  expect(entries.filter(({ type }: { type: string }) => type === 'support_call')).toHaveLength(2);
});

test('a call of the wrong person is moved to the right one, says where it came from, and comes back', async () => {
  const make = async (name: string, phone?: string) =>
    (await crm('POST', '/api/customers', { name, email: `moved${++unique}@example.com`, phone })).body;
  const wrong = await make('Wrong Person', '+49 30 5550 4712');
  const right = await make('Right Person');
  await api('POST', '/api/calls', {
    client_id: `moved-${++unique}`,
    direction: 'inbound',
    number: '+49 30 5550 4712',
    outcome: 'resolved',
    notes: 'About the brass lamp',
    started_at: new Date(Date.now() - 300_000).toISOString(),
    duration_seconds: 60,
  });
  const notes = async (id: string) =>
    (await crm('GET', `/api/customers/${id}/timeline`)).body.entries.filter(
      ({ type }: { type: string }) => type === 'support_call',
    ).length;
  await open('/calls');
  const call = priya.getByRole('listitem').filter({ hasText: 'About the brass lamp' });
  await call.getByRole('button', { name: /^Move the call of/ }).click();
  const dialog = priya.getByRole('dialog', { name: 'Move this call to another customer' });
  await dialog.getByText('It belongs to Wrong Person at present.').waitFor();
  await dialog.getByRole('button', { name: 'Move', exact: true }).click();
  await dialog.getByText('Choose to whom it belongs.').waitFor();
  await dialog.getByLabel('The right customer').fill('Right Person');
  await priya.getByRole('option', { name: /Right Person/ }).click();
  await look('move-call');
  await dialog.getByRole('button', { name: 'Move', exact: true }).click();
  await priya.getByText('The call is with Right Person now.').waitFor();
  await call.getByRole('link', { name: 'Right Person' }).waitFor();
  await call.getByText(/Wrong Person/).waitFor();
  await look('moved-call');
  expect([await notes(wrong.id), await notes(right.id)]).toEqual([0, 1]);
  await call.getByRole('button', { name: 'Move back' }).click();
  await call.getByRole('link', { name: 'Wrong Person' }).waitFor();
  expect([await notes(wrong.id), await notes(right.id)]).toEqual([1, 0]);
});

test('a call that would make a customer says who may be the same, by keyboard too, and is logged all the same', async () => {
  await crm('POST', '/api/customers', { name: 'Balthasar Quitschreiber', email: 'balthasar@quitschreiber.example' });
  const draft = { name: 'Baltasar Quitschreiber', email: 'balthasar@quitschreiber.exampel' };
  await expect.poll(async () => (await api('POST', '/api/calls/similar', draft)).body.similar.length).toBe(1);
  await open('/calls');
  await priya.getByRole('button', { name: 'Log a call' }).click();
  const dialog = priya.getByRole('dialog', { name: 'Log a call' });
  await dialog.getByLabel('Number').fill('+49 30 5550 4713');
  await dialog.getByLabel('Name').fill(draft.name);
  await dialog.getByLabel('Address').fill(draft.email);
  const hint = dialog.getByRole('link', { name: /^Balthasar Quitschreiber/ });
  await hint.waitFor();
  await dialog.getByText(/the last name is the same/).waitFor();
  await look('hint-support');
  await hint.focus();
  expect(await hint.getAttribute('href')).toMatch(/^\/customers\//);
  await dialog.getByRole('combobox', { name: 'Outcome' }).or(dialog.getByLabel('Outcome')).first().click();
  await priya.getByRole('option', { name: 'Resolved' }).click();
  await dialog.getByRole('button', { name: 'Log call' }).click();
  await priya.getByText(/Baltasar Quitschreiber, a new customer, is in Foundation’s timeline/).waitFor();
});

test('what was said is found from the palette, by keyboard, and leads to the message, in Foundation to the entry', async () => {
  const visitor = await visit('Wanda Words', 'My samovar SAM-77 does not get warm');
  // More than the page loads at first.
  await Promise.all(Array.from({ length: 105 }, (_, n) => visitor.say(`Line ${n}`)));
  await api('POST', `/api/sessions/${visitor.id}/notes`, { client_id: 'samovar', body: 'The samovar is <b>new</b>' });
  await open('/inbox?view=all');
  await priya.keyboard.press('Control+k');
  await priya.getByPlaceholder('Name, number or command').fill('samovar');
  await priya.getByRole('button', { name: 'Search in texts for “samovar”' }).click();
  const hits = priya.getByRole('list', { name: 'Found texts' }).getByRole('listitem');
  await hits.filter({ hasText: 'The samovar is <b>new</b>' }).waitFor();
  expect(await hits.locator('mark').allTextContents()).toEqual(['samovar', 'samovar']);
  await look('texts-support');
  await priya.getByLabel('Words to search').fill('sam-77');
  await priya.getByLabel('Words to search').press('ArrowDown');
  await hits.filter({ has: priya.locator('a:focus'), hasText: 'does not get warm' }).waitFor();
  await priya.keyboard.press('Enter');
  await messages().locator('[data-sought="true"]', { hasText: 'SAM-77' }).waitFor();
  await expect.poll(() => priya.evaluate(isInSight)).toBe(true);
  await look('texts-message');
  await open('/search?q=zzyzx');
  await priya.getByText('Nothing has “zzyzx”').waitFor();
  await look('texts-nothing');
  await priya.getByLabel('Words to search').fill('-warm');
  await priya.getByText('The search needs a word that is in the text').waitFor();

  const [customer] = (await crm('GET', `/api/customers?search=${visitor.email}`)).body.customers;
  const add = (description: string, occurred_at: string) =>
    crm('POST', `/api/customers/${customer.id}/activities`, { type: 'note', description, occurred_at });
  await add('Has a samovar from Tula', '2024-02-03T12:00:00Z');
  await Promise.all(Array.from({ length: 45 }, (_, n) => add(`Entry ${n}`, '2024-06-03T12:00:00Z')));
  const { page: maya, leave } = await signIn(browser, stack.foundation, 'Maya Okafor');
  await follow(maya, `${stack.foundation}/search?q=samovar&kind=note`);
  await maya.getByRole('list', { name: 'Found texts' }).getByText('from Tula').waitFor();
  await look('texts-foundation', maya);
  await maya.getByLabel('Words to search').press('Enter');
  await maya.locator('li a:focus').waitFor();
  await maya.keyboard.press('Enter');
  await maya.locator('[data-sought="true"]', { hasText: 'from Tula' }).waitFor();
  await expect.poll(() => maya.evaluate(isInSight)).toBe(true);
  await look('texts-entry', maya);
  await leave();
});

/** In the page: whether what somebody came for is in sight. */
const isInSight = `(() => {
  const box = document.querySelector('[data-sought="true"]')?.getBoundingClientRect();
  return box !== undefined && box.top >= 0 && box.bottom <= innerHeight;
})()`;

/** They consist of what another screen shows, with other words. */
const knownScreens = new Set(['moved-call', 'texts-nothing']);

/** What does not fit, at two widths, and what keeps people out. Takes pictures if AETHER_LOOK is set, in both schemes. */
async function look(name: string, page = priya): Promise<void> {
  const folder = process.env.AETHER_LOOK;
  for (const [width, height] of [
    [390, 844],
    [1440, 900],
  ] as const) {
    await page.setViewportSize({ width, height });
    // The page draws itself anew at another width, which takes a moment.
    await expect.poll(() => page.evaluate(findMisfits), { message: `${name}, ${width} px` }).toEqual([]);
    if (width > 768 && !knownScreens.has(name)) expect([name, await findBarriers(page)]).toEqual([name, []]);
    if (!folder) continue;
    for (const colorScheme of ['light', 'dark'] as const) {
      await page.emulateMedia({ colorScheme });
      await page.screenshot({ path: `${folder}/${name}-${width}-${colorScheme}.png` });
    }
    await page.emulateMedia({ colorScheme: null });
  }
}

describe('an administrator', () => {
  let maya: Page;
  beforeAll(async () => {
    ({ page: maya } = await signIn(browser, stack.support, 'Maya Okafor'));
  });

  test('decides who in sales reads notes of calls, and takes that back', async () => {
    await open('/settings/sharing', maya);
    const choice = maya.getByRole('combobox', { name: 'Who reads: Notes of calls' });
    await choice.click();
    await maya.getByRole('option', { name: 'Everybody in sales' }).click();
    await maya.getByText('Notes of calls: everybody in sales.').waitFor();
    await undoLast(maya);
    await expect.poll(() => choice.inputValue()).toBe('Nobody');
  });

  test('writes a chatbot, tries it, and makes it live', async () => {
    await open('/settings/chatbots', maya);
    await maya.getByRole('button', { name: 'New chatbot' }).click();
    const dialog = maya.getByRole('dialog');
    await dialog.getByLabel('Name').fill('Robo');
    await dialog.getByLabel('Widget').click();
    await maya.getByRole('option', { name: 'No Robot' }).click();
    await dialog.getByRole('button', { name: /Make|Create|New/ }).click();
    await maya.waitForURL(/\/settings\/chatbots\/[0-9a-f-]{36}/);
    await maya.getByLabel('Greeting').fill('Beep. What is it?');
    await maya.getByRole('button', { name: 'Add a question' }).click();
    await maya.getByLabel('Words of question 1').fill('Opening hours');
    const question = maya.getByRole('region', { name: 'Opening hours' });
    await question.getByLabel('Keywords').fill('open');
    await question.getByLabel('Keywords').press('Enter');
    await question.getByLabel('Answer').fill('From nine to five.');
    await maya.reload();
    await maya.getByText(/^Draft of/).waitFor();
    expect(await maya.getByLabel('Greeting').inputValue()).toBe('Beep. What is it?');
    const preview = maya.getByRole('region', { name: 'Try it' });
    await preview.getByText('Beep. What is it?').waitFor();
    await preview.getByLabel('Write as a visitor').fill('when are you open?');
    await preview.getByRole('button', { name: 'Say' }).click();
    await preview.getByText('From nine to five.').waitFor();
    await maya.getByRole('button', { name: 'Save' }).click();
    await maya.getByText('Robo was saved.').waitFor();
    await maya.getByRole('switch', { name: 'Not live' }).click();
    await maya.getByText('Robo talks to visitors of No Robot now.').waitFor();
    const visitor = await visit('Bert Botted', 'Are you open?');
    await expect
      .poll(async () => (await visitor.read()).messages.at(-1))
      .toMatchObject({ author: 'bot', body: 'From nine to five.' });
    await maya.getByRole('switch', { name: 'Live' }).click();
    await maya.getByText('Robo is not live any more.').waitFor();

    await maya.getByRole('button', { name: 'Copy…' }).click();
    await look('copy-chatbot', maya);
    await maya.getByRole('dialog', { name: 'Copy Robo' }).getByRole('button', { name: 'Copy' }).click();
    await maya.getByText('Copy of Robo has the saved rules of Robo, and is not live.').waitFor();
    expect(await maya.getByLabel('Greeting').inputValue()).toBe('Beep. What is it?');
    await maya.getByRole('button', { name: 'Delete…' }).click();
    await maya.getByText('1 question goes with it.').waitFor();
    await maya.getByRole('dialog').getByRole('button', { name: 'Delete' }).click();
    await maya.getByText('Copy of Robo is deleted.').waitFor();
    const copy = maya.getByRole('link', { name: 'Copy of Robo' });
    await copy.waitFor({ state: 'detached' });
    await undoLast(maya);
    await copy.waitFor();
  });

  test('makes a widget with a team, origins and a secret that is shown once', async () => {
    await open('/settings/widgets', maya);
    await maya.getByRole('button', { name: 'New widget' }).click();
    await maya.getByRole('dialog').getByLabel('Name').fill('Lamp blog');
    await maya
      .getByRole('dialog')
      .getByRole('button', { name: /Make|Create|New/ })
      .click();
    await maya.waitForURL(/\/settings\/widgets\/[0-9a-f-]{36}/);
    await maya.getByText(/<script async src=.*widget\.js/).waitFor();
    await maya.getByRole('button', { name: 'Make a secret' }).click();
    const secret = await maya.getByRole('dialog', { name: 'The new secret' }).locator('pre').innerText();
    expect(secret).toMatch(/^[A-Za-z0-9_-]{43}$/);
    await maya
      .getByRole('dialog', { name: 'The new secret' })
      .getByRole('button', { name: 'Close' })
      .or(maya.locator('.mantine-Modal-close'))
      .first()
      .click();
    await maya.getByText('In use').waitFor();
    await maya.reload();
    await maya.getByText('In use').waitFor();
    expect(await maya.content()).not.toContain(secret);

    const page = maya.url();
    await maya.getByRole('checkbox', { name: 'German' }).click();
    await maya.getByRole('checkbox', { name: /language of the visitor’s browser/ }).click();
    await maya.getByRole('radiogroup', { name: 'Language of the words' }).getByText('German').click();
    await maya.getByRole('textbox', { name: 'Greeting' }).fill('Moin! Welche Lampe suchen Sie?');
    await look('widget-languages', maya);
    await maya.getByRole('button', { name: 'Save' }).click();
    await maya.getByText('Lamp blog was saved. Websites show it within half a minute.').waitFor();
    await maya.getByText('Last changed by Maya Okafor').waitFor();
    await maya.getByRole('link', { name: 'All changes' }).click();
    const acts = maya.getByRole('list', { name: 'Changes of settings' });
    await acts.getByText('Moin! Welche Lampe suchen Sie?').waitFor();
    await acts.getByText('one that is not recorded').waitFor();
    expect(await maya.content()).not.toContain(secret);
    await look('changes', maya);
    await maya.keyboard.press('j');
    await maya.keyboard.press('o');
    await maya.waitForURL(page);

    await maya.getByRole('button', { name: 'Delete…' }).click();
    await maya.getByText('Nobody ever came through it. It takes along 1 secret.').waitFor();
    await look('delete-widget', maya);
    await maya.getByRole('dialog').getByRole('button', { name: 'Delete' }).click();
    await maya.getByText('Lamp blog is deleted.').waitFor();
    await maya.getByRole('link', { name: 'No Robot' }).click();
    await maya.getByRole('button', { name: 'Delete…' }).click();
    await maya.getByText(/Visitors came through it: .* Switch it off instead/).waitFor();
    expect(await maya.getByRole('dialog').getByRole('button', { name: 'Delete' }).isDisabled()).toBe(true);
    await maya.keyboard.press('Escape');
  });

  test('is the only one who may do so: a plain agent sees the settings and changes nothing', async () => {
    await open('/settings/widgets');
    await priya.getByText('No Robot').first().waitFor();
    expect(await priya.getByRole('button', { name: 'New widget' }).count()).toBe(0);
    expect((await api('POST', '/api/widgets', { name: 'Mine' })).status).toBe(403);
    await api('POST', '/api/chatbots', { name: 'Looked at', widget_id: widgetId }, 'maya');
    await open('/settings/chatbots');
    await priya.getByText('Looked at').first().waitFor();
    expect(await priya.getByRole('button', { name: 'New chatbot' }).count()).toBe(0);
    await priya.getByText('Looked at').first().click();
    await priya.getByText('You can look, and not change').waitFor();
    const form = await priya.getByRole('form', { name: 'Chatbot' }).boundingBox();
    const preview = await priya.getByRole('complementary', { name: 'Preview' }).boundingBox();
    if (!form || !preview) throw new Error('The form or its preview is not shown.');
    expect(form.x + form.width).toBeLessThan(preview.x);
    for (const each of await priya.getByRole('switch').all()) expect(await each.isDisabled()).toBe(true);
  });
});
