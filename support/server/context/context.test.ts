import { once } from 'node:events';
import { createServer, type RequestListener, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Customer } from '@aether/platform';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { startTestSupport, type TestSupport } from '../testing.ts';

let app: TestSupport;
let customer: Customer;
beforeAll(async () => {
  app = await startTestSupport();
  const company = await app.foundation.createCompany({ name: 'Tidewater Robotics', domain: 'tidewater.example' });
  customer = await app.foundation.createCustomer({
    name: 'Kenji Watanabe',
    email: 'kenji@tidewater.example',
    company_id: company.id,
    account_manager_id: 'maya',
  });
  await app.foundation.query(
    `with p as (insert into crm.pipelines (name, is_default) values ('Sales', true) returning id),
          s as (insert into crm.pipeline_stages (pipeline_id, name, position) select id, 'Open', 1 from p returning id, pipeline_id)
     insert into crm.deals (customer_id, pipeline_id, stage_id, name, amount, currency)
     select $1, s.pipeline_id, s.id, d.name, d.amount, d.currency
     from s, (values ('A', 1000, 'EUR'), ('B', 200.5, 'EUR'), ('C', 50, 'USD')) d (name, amount, currency)`,
    [customer.id],
  );
  await app.foundation.query(
    `insert into crm.activities (customer_id, type, description, occurred_at) values ($1, 'call', 'Talked', '2026-03-01T10:00:00Z')`,
    [customer.id],
  );
});

const crm = {
  account_manager_name: 'Maya Okafor',
  open_deals: 3,
  open_deals_value: { EUR: 1_200.5, USD: 50 },
  deals_of_others: 0,
  last_activity: { type: 'call', occurred_at: '2026-03-01T10:00:00.000Z', app: 'foundation' },
};
const contextPath = '/api/customers/context?email=Kenji@Tidewater.example';

describe('on the shared database', () => {
  test('the context has customer, company, open deals, manager and last activity', async () => {
    const { status, body } = await app.call('GET', contextPath);
    expect(status).toBe(200);
    expect(body).toMatchObject({
      customer: { id: customer.id, account_tier: null },
      company: { name: 'Tidewater Robotics' },
      crm,
      partial: false,
      missing: [],
      reason: null,
    });
  });

  test('a tier raised in Foundation appears with the next request', async () => {
    await app.foundation.updateCustomer(customer.id, { account_tier: 'premium' });
    expect((await app.call('GET', contextPath)).body.customer.account_tier).toBe('premium');
  });

  test('the context takes one query, besides the one that identifies the caller', async () => {
    const query = vi.spyOn(pg.Client.prototype, 'query');
    // Subscriptions and signals, which run meanwhile, query sync.* and listen.
    const asked = () => {
      const texts = query.mock.calls.map(([statement]) => (statement as { text?: string }).text ?? String(statement));
      return texts.filter((text) => /from platform\./.test(text));
    };
    expect((await app.call('GET', contextPath)).body.crm).toEqual(crm);
    expect(asked()).toHaveLength(2);
    query.mockClear();
    expect((await app.callWith('context.read')('GET', contextPath)).body.crm).toEqual(crm);
    expect(asked()).toHaveLength(2);
    query.mockRestore();
  });

  test('the context of an unknown address is 404, and of a malformed one 422', async () => {
    expect((await app.call('GET', '/api/customers/context?email=nobody@example.com')).status).toBe(404);
    const { status, body } = await app.call('GET', '/api/customers/context?email=nobody');
    expect([status, body.code, body.errors[0].in]).toEqual([422, 'invalid-email', 'query']);
    expect((await app.call('GET', '/api/customers/context')).status).toBe(422);
  });
});

describe('a context over HTTP, with FOUNDATION_API_URL', () => {
  const closers: (() => void)[] = [];
  afterAll(() => {
    for (const close of closers) close();
  });

  /** A Foundation that answers as the test says; `requests` holds the requests that it got. */
  async function startFoundation(
    answer: RequestListener,
  ): Promise<{ url: string; requests: { path: string; authorization?: string }[] }> {
    const requests: { path: string; authorization?: string }[] = [];
    const server = createServer((request, response) => {
      requests.push({ path: request.url ?? '', authorization: request.headers.authorization });
      answer(request, response);
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    closers.push(() => {
      server.closeAllConnections();
      server.close();
    });
    return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, requests };
  }

  type OneFoundation = { call: TestSupport['call']; answerWith(answer: RequestListener): void };
  let one: Promise<OneFoundation> | undefined;
  /** A Support of several tests, because its start takes longer than any of them, and a Foundation whose answers each test chooses. */
  function askOneFoundation(): Promise<OneFoundation> {
    one ??= (async () => {
      let answer: RequestListener = (_, response) => response.end();
      const { url } = await startFoundation((request, response) => answer(request, response));
      const call = await app.startAnother({ FOUNDATION_API_URL: url });
      return {
        call,
        answerWith(given) {
          answer = given;
        },
      };
    })();
    return one;
  }

  test('has the same content, and one token of Support’s own, fetched once, that only reads contexts', async () => {
    const before = app.issuer.grants().length;
    const { url, requests } = await startFoundation((_, response) => {
      response
        .setHeader('Content-Type', 'application/json')
        .end(JSON.stringify({ customer: { id: customer.id }, crm, recent: [] }));
    });
    const call = await app.startAnother({ FOUNDATION_API_URL: `${url}/` });
    const { status, body } = await call('GET', contextPath);
    expect(status).toBe(200);
    expect(body).toMatchObject({
      customer: { id: customer.id },
      company: { name: 'Tidewater Robotics' },
      crm,
      partial: false,
    });
    await call('GET', contextPath);
    const asked = {
      path: `/api/customers/${customer.id}/context`,
      authorization: expect.stringMatching(/^Bearer [\w-]+\.[\w-]+\.[\w-]+$/),
    };
    expect(requests).toEqual([asked, asked]);
    expect(requests[1]?.authorization).toBe(requests[0]?.authorization);
    expect(app.issuer.grants().slice(before)).toEqual(['context.read']);
  });

  test('replaces a token that Foundation refuses at the next request', async () => {
    let isRefusing = true;
    const { url, requests } = await startFoundation((_, response) =>
      isRefusing
        ? response.writeHead(401).end()
        : response
            .setHeader('Content-Type', 'application/json')
            .end(JSON.stringify({ customer: { id: customer.id }, crm, recent: [] })),
    );
    const call = await app.startAnother({ FOUNDATION_API_URL: url });
    expect((await call('GET', contextPath)).body).toMatchObject({ partial: true });
    isRefusing = false;
    expect((await call('GET', contextPath)).body).toMatchObject({ partial: false, crm });
    expect(requests[1]?.authorization).not.toBe(requests[0]?.authorization);
  });

  test('counts a failure to get a token as a failure of Foundation', async () => {
    const { url, requests } = await startFoundation((_, response) => response.end());
    const call = await app.startAnother({ FOUNDATION_API_URL: url });
    app.issuer.refuse(true);
    try {
      for (let n = 0; n < 5; n += 1)
        expect((await call('GET', contextPath)).body).toMatchObject({ partial: true, customer: { id: customer.id } });
      expect((await call('GET', contextPath)).body.reason).toMatch(/left alone/);
      expect(requests).toEqual([]);
    } finally {
      app.issuer.refuse(false);
    }
  });

  test.each([
    ['does not answer', () => {}, /in time/],
    [
      'fails',
      (_: unknown, response: { writeHead(status: number): { end(): void } }) => response.writeHead(500).end(),
      /could not be asked/,
    ],
    [
      'answers with something else',
      (_: unknown, response: { end(text: string): void }) => response.end('{"crm":{"open_deals":"many"}}'),
      /could not be asked/,
    ],
    [
      'does not know the customer',
      (_: unknown, response: ServerResponse) =>
        response.writeHead(404, { 'Content-Type': 'application/problem+json' }).end('{"code":"not-found"}'),
      /does not know/,
    ],
    [
      'is no Foundation but a proxy that finds nothing',
      (_: unknown, response: ServerResponse) =>
        response.writeHead(404, { 'Content-Type': 'text/html' }).end('<h1>404 Not Found</h1>'),
      /could not be asked/,
    ],
    [
      'has no such route',
      (_: unknown, response: ServerResponse) =>
        response.writeHead(404, { 'Content-Type': 'application/problem+json' }).end('{"code":"no-such-route"}'),
      /could not be asked/,
    ],
    [
      'answers with another customer',
      (_: unknown, response: ServerResponse) =>
        response.end(JSON.stringify({ customer: { id: '019a2b3c-4d5e-7f60-8a9b-0c1d2e3f4a5b' }, crm, recent: [] })),
      /could not be asked/,
    ],
    [
      'answers without end',
      (_: unknown, response: ServerResponse) =>
        response.end(JSON.stringify({ customer: { id: customer.id }, crm, recent: [], more: 'x'.repeat(256 * 1024) })),
      /could not be asked/,
    ],
    [
      'sends us elsewhere',
      (_: unknown, response: { writeHead(status: number, headers: object): { end(): void } }) =>
        response.writeHead(302, { Location: 'http://127.0.0.1:1/' }).end(),
      /could not be asked/,
    ],
  ])('is partial and says why when Foundation %s', async (_, answer, reason) => {
    const { call, answerWith } = await askOneFoundation();
    answerWith((_, response) => response.end(JSON.stringify({ customer: { id: customer.id }, crm, recent: [] })));
    expect((await call('GET', contextPath)).body).toMatchObject({ crm, partial: false }); // no failure counts any more
    answerWith(answer as RequestListener);
    const { status, body } = await call('GET', contextPath);
    expect(status).toBe(200);
    expect(body).toMatchObject({ customer: { id: customer.id }, crm: null, partial: true, missing: ['crm'] });
    expect(body.reason).toMatch(reason);
  });

  test.each([500, 404])(
    'comes without Foundation after five failures in a row (%i), and the agent still gets an answer',
    async (status) => {
      const { url, requests } = await startFoundation((_, response) => response.writeHead(status).end());
      const call = await app.startAnother({ FOUNDATION_API_URL: url });
      for (let n = 0; n < 5; n += 1) await call('GET', contextPath);
      const { body } = await call('GET', contextPath);
      expect(body.reason).toMatch(/left alone/);
      expect(requests).toHaveLength(5);
    },
  );

  test.each([
    'foundation',
    'ftp://foundation.internal',
    'https://user:secret@foundation.internal',
    'https://foundation.internal/?key=1',
    'https://foundation.internal/#crm',
  ])('refuses the address %s at start, because it is more than a host and a path', async (url) => {
    const refused = app.startAnother({ FOUNDATION_API_URL: url });
    await expect(refused).rejects.toThrow(/FOUNDATION_API_URL/);
    await expect(refused).rejects.not.toThrow(/secret/);
  });
});
