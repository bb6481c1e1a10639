import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { readRunning } from '../start/running.ts';
import { readToken } from '../token.ts';

type Json = Record<string, unknown>;

const patienceMs = 10_000;

/**
 * `aether demo`: plays the three scenarios over HTTP against the servers of `npm start`, with a new visitor each time,
 * and prints each step and the time of each request. With `bus` a fourth one follows: a tier arrives in billing over Service Bus.
 *
 * @throws if nothing runs, or if a step does not keep the promise of its scenario.
 */
export async function playDemo({ widget, bus = false }: { widget?: string; bus?: boolean }): Promise<void> {
  const running = readRunning();
  if (!running?.FOUNDATION_URL || !running.SUPPORT_URL)
    throw new Error('Nothing runs here. Start it in another terminal: npm start.');
  const foundation = running.FOUNDATION_URL;
  const support = running.SUPPORT_URL;
  const widgetKey = widget ?? running.SUPPORT_WIDGET_KEY;
  if (!widgetKey)
    throw new Error('There is no demo data here, and so no widget of the demo: name one of yours with --widget <key>.');
  const billing = running.BILLING_URL;
  if (bus && !billing)
    throw new Error('Billing does not run here. Start it in another terminal: npm start -- --with-bus.');
  const bearer = async (who: string, app: 'foundation' | 'support') => ({
    Authorization: `Bearer ${await readToken(who, app)}`,
  });
  const [asJonas, asPriya] = [await bearer('jonas', 'foundation'), await bearer('priya', 'support')];
  const visitor = { name: 'Ada Okonkwo', email: `Ada.Okonkwo+${Date.now().toString(36)}@Harbour.example` };

  heading('1', 'a chat creates a customer that Foundation sees');
  const session = await call(
    'Support',
    `${visitor.name} starts a chat as ${visitor.email}`,
    'POST',
    `${support}/api/widgets/${widgetKey}/sessions`,
    visitor,
  );
  const asVisitor = { Authorization: `Bearer ${session.visitor_token}` };
  const messages = `${support}/api/sessions/${session.session_id}/messages`;
  await call(
    'Support',
    'the first message',
    'POST',
    messages,
    { client_id: randomUUID(), body: 'Hello! Does the premium plan cover two offices?' },
    asVisitor,
  );
  const found = await call(
    'Foundation',
    'search by address',
    'GET',
    `${foundation}/api/customers?search=${encodeURIComponent(visitor.email)}`,
    undefined,
    asJonas,
  );
  const [customer] = found.customers as Json[];
  if (!customer) throw new Error('Foundation does not see the customer.');
  tell(`customer ${customer.id}, created by ${customer.created_by_app}`);

  heading('2', 'a won deal raises the tier that Support shows');
  const contextUrl = `${support}/api/customers/context?email=${encodeURIComponent(visitor.email)}`;
  tell(`tier before: ${tierOf(await call('Support', 'context', 'GET', contextUrl, undefined, asPriya))}`);
  const deal = await call(
    'Foundation',
    'Jonas makes a deal',
    'POST',
    `${foundation}/api/deals`,
    { customer_id: customer.id, name: 'Harbour, two offices', amount: 5400, currency: 'EUR' },
    asJonas,
  );
  await call(
    'Foundation',
    'closed as won: deal, tier, activity in one transaction',
    'POST',
    `${foundation}/api/deals/${deal.id}/close`,
    { outcome: 'won', tier: 'premium' },
    asJonas,
  );
  const tier = tierOf(await call('Support', 'context', 'GET', contextUrl, undefined, asPriya));
  tell(`tier after: ${tier}`);
  if (tier !== 'premium') throw new Error('Support does not see the new tier.');

  heading('3', 'the finished chat appears in the CRM timeline');
  await call(
    'Support',
    'Priya answers',
    'POST',
    `${support}/api/sessions/${session.session_id}/replies`,
    { client_id: randomUUID(), body: 'It does, and as of today it is yours.' },
    asPriya,
  );
  await call(
    'Support',
    'the chat ends, resolved',
    'POST',
    `${support}/api/sessions/${session.session_id}/end`,
    { resolved: true },
    asPriya,
  );
  const timeline = await call(
    'Foundation',
    'timeline',
    'GET',
    `${foundation}/api/customers/${customer.id}/timeline?kind=activity`,
    undefined,
    asJonas,
  );
  const entries = timeline.entries as Json[];
  for (const entry of entries) tell(`${entry.app}: ${entry.description}`);
  if (!entries.some((entry) => entry.type === 'support_chat')) throw new Error('The timeline lacks the chat.');
  if (bus && billing) await followTier({ foundation, billing, customer, asJonas });
  console.log(`\nAll ${bus ? 'four' : 'three'} scenarios hold.`);
}

/** Raises the tier once more, and waits until billing has it: another process, with a database of its own. */
async function followTier(places: {
  foundation: string;
  billing: string;
  customer: Json;
  asJonas: Record<string, string>;
}): Promise<void> {
  const { foundation, billing, customer, asJonas } = places;
  heading('4', 'the tier arrives in billing, which shares no database with the platform');
  const { account_tier: tier } = await call(
    'Foundation',
    'the tier is raised again',
    'PATCH',
    `${foundation}/api/customers/${customer.id}`,
    { account_tier: 'enterprise' },
    asJonas,
  );
  const answeredAt = performance.now();
  for (;;) {
    const { status, text } = await send(`${billing}/customers/${customer.id}`, {});
    const shown = status === 200 ? (parseObject(text) as Shown) : undefined;
    if (shown && shown.customer.tier === tier) {
      const seenMs = performance.now() - answeredAt;
      tell(
        `billing has ${tier}: ${shown.changes[0]?.lag_ms.toFixed(0)} ms from the change in Foundation to its commit in billing`,
      );
      tell(`(asked again and again over HTTP, it was seen ${seenMs.toFixed(0)} ms after Foundation’s answer)`);
      return;
    }
    if (performance.now() - answeredAt > patienceMs)
      throw new Error(`Billing does not have the tier after ${patienceMs / 1000} s: see npx aether servicebus status.`);
    await sleep(5);
  }
}

/** What billing shows of a customer. */
type Shown = { customer: { tier: string | null }; changes: { lag_ms: number }[] };

/** Sends a request and prints it with its time. @throws if there is no successful answer with JSON in time */
async function call(
  app: string,
  what: string,
  method: string,
  url: string,
  body?: Json,
  headers: Record<string, string> = {},
): Promise<Json> {
  const startedAt = performance.now();
  const { status, ok, text } = await send(url, {
    method,
    headers: { ...headers, ...(body && { 'Content-Type': 'application/json' }) },
    body: body && JSON.stringify(body),
  }).catch((error) => {
    const why =
      error.name === 'TimeoutError' ? `nothing within ${patienceMs / 1000} s` : (error.cause?.code ?? error.message);
    throw new Error(
      `${app} at ${new URL(url).origin} did not answer (${why}), when it came to: ${what}. Does it run still?`,
    );
  });
  const tookMs = (performance.now() - startedAt).toFixed(1).padStart(6);
  console.log(`  ${tookMs} ms  ${app.padEnd(10)}  ${what}`);
  const answer = parseObject(text);
  if (!ok || !answer)
    throw new Error(`${method} ${new URL(url).pathname} answered ${status}: ${answer?.detail ?? text.slice(0, 200)}`);
  return answer;
}

async function send(url: string, request: RequestInit): Promise<{ status: number; ok: boolean; text: string }> {
  const response = await fetch(url, { ...request, signal: AbortSignal.timeout(patienceMs) });
  return { status: response.status, ok: response.ok, text: await response.text() };
}

function parseObject(text: string): Json | undefined {
  try {
    const value = JSON.parse(text);
    return typeof value === 'object' && value !== null ? value : undefined;
  } catch {
    return undefined;
  }
}

function heading(number: string, what: string): void {
  console.log(`\nScenario ${number}: ${what}`);
}

function tell(what: string): void {
  console.log(`             ${what}`);
}

function tierOf(context: Json): string {
  return String((context.customer as Json).account_tier ?? 'none');
}
