import { SignJWT } from 'jose';
import { beforeAll, describe, expect, test } from 'vitest';
import { racing, startTestSupport, type TestSupport } from '../testing.ts';
import { visit } from './testing.visitor.ts';

const key = 'proving-shop';
const secret = 'P'.repeat(43);
let app: TestSupport;
let unique = 0;
beforeAll(async () => {
  app = await startTestSupport(racing);
  await app.support.query(
    `with made as (insert into support.widgets (key, name) values ($1, 'Proving shop') returning id)
     insert into support.widget_secrets (widget_id, secret) select id, $2 from made`,
    [key, secret],
  );
});

const newEmail = () => `proof${++unique}@example.com`;
const sign = (email: string, name = 'Grace') =>
  new SignJWT({ email, name, aud: key })
    .setProtectedHeader({ alg: 'HS256' })
    .setIssuedAt()
    .setExpirationTime('10m')
    .sign(new TextEncoder().encode(secret));
const visitSigned = async (email: string, name?: string) =>
  visit(app, { identity_token: await sign(email, name) }, { key });
const panelOf = async (id: string) => (await app.callAs('priya')('GET', `/api/sessions/${id}/context`)).body;
/** A premium customer with a secondary address that somebody typed. */
async function customerWithTypedAddress(email = newEmail()) {
  const customer = await app.foundation.createCustomer({ name: 'Ada', email: newEmail(), account_tier: 'premium' });
  await app.foundation.addAddress(customer.id, email);
  return { customer, email };
}

describe('a visitor whose identity the host page signs', () => {
  test('is not shown as a customer who has the address only because somebody typed it', async () => {
    const { customer, email } = await customerWithTypedAddress();
    const { id } = await visitSigned(email);
    const panel = await panelOf(id);
    expect(panel).toMatchObject({
      ...{ identity: 'verified', customer: { name: 'Grace', email, account_tier: null } },
      addresses: [{ email, is_primary: true, verified_by: 'signed_identity' }],
    });
    expect(panel.customer.id).not.toBe(customer.id);
    expect(panel.customer.support_id).toBeGreaterThan(0);
    expect(await app.foundation.listReviewCandidates(customer.id)).toMatchObject([
      { reason: 'verified_claim', customer: { id: panel.customer.id } },
    ]);
    expect((await app.foundation.listAddresses(customer.id)).map((each) => each.email)).toEqual([customer.email]);
  });

  test('who typed the address before is shown as themselves from the proof on', async () => {
    const { customer, email } = await customerWithTypedAddress();
    const visitor = await visit(app, { email, name: 'Grace' }, { key });
    expect(await panelOf(visitor.id)).toMatchObject({ identity: 'claimed', customer: { id: customer.id } });
    const answer = await visitor.call('POST', 'identity', { identity_token: await sign(email) });
    expect(answer.status).toBe(200);
    expect(await panelOf(visitor.id)).toMatchObject({ identity: 'verified', customer: { name: 'Grace', email } });
  });

  test('is the customer whose primary address it is, and the address is verified from then on', async () => {
    const customer = await app.foundation.createCustomer({ name: 'Ada', email: newEmail() });
    const { id } = await visitSigned(customer.email, 'Ada Lovelace');
    expect(await panelOf(id)).toMatchObject({
      customer: { id: customer.id, name: 'Ada' },
      addresses: [{ email: customer.email, verified_at: expect.any(String) }],
    });
    expect(await app.foundation.listReviewCandidates(customer.id)).toEqual([]);
  });

  test('is not shown as a customer with another name whose only address it is, mistyped', async () => {
    const customer = await app.foundation.createCustomer({ name: 'Ada', email: newEmail(), account_tier: 'premium' });
    const { id } = await visitSigned(customer.email);
    expect(await panelOf(id)).toMatchObject({
      identity: 'verified',
      customer: { name: 'Grace', email: customer.email, account_tier: null },
    });
    const [left] = await app.foundation.listAddresses(customer.id);
    expect(left?.email).toMatch(/^no-address-[0-9a-f]{32}@unknown\.invalid$/);
    expect(await app.foundation.listReviewCandidates(customer.id)).toMatchObject([{ reason: 'verified_claim' }]);
  });

  test('is the customer who has proven the address before, even if it is no longer the primary one', async () => {
    const customer = await app.foundation.createCustomer({ name: 'Ada', email: newEmail() });
    await visitSigned(customer.email, 'Ada');
    await app.foundation.updateCustomer(customer.id, { email: newEmail() });
    const { id } = await visitSigned(customer.email);
    expect((await panelOf(id)).customer.id).toBe(customer.id);
  });

  test('who opens ten conversations at once is one customer, and one candidate for review', async () => {
    const { customer, email } = await customerWithTypedAddress();
    const visitors = await Promise.all(Array.from({ length: 10 }, () => visitSigned(email)));
    const sessions = await app.support.query('select distinct customer_id from support.sessions where id = any ($1)', [
      visitors.map(({ id }) => id),
    ]);
    expect(sessions).toHaveLength(1);
    expect(await app.foundation.listReviewCandidates(customer.id)).toHaveLength(1);
  });
});

test('a visitor who only types an address takes it from nobody', async () => {
  const { customer, email } = await customerWithTypedAddress();
  const { id } = await visit(app, { email, name: 'Grace' }, { key });
  const panel = await panelOf(id);
  expect(panel).toMatchObject({ identity: 'claimed', customer: { id: customer.id } });
  expect(panel.addresses).toMatchObject([{ is_primary: true }, { email, verified_at: null }]);
  expect(await app.foundation.listReviewCandidates(customer.id)).toEqual([]);
});

test('a mistyped address that was corrected and freed is its real owner’s in the next chat', async () => {
  const mistyped = newEmail();
  const customer = await app.foundation.createCustomer({ name: 'Ada', email: mistyped, account_tier: 'premium' });
  await app.foundation.updateCustomer(customer.id, { email: newEmail() }, { formerAddress: 'free' });
  const { id } = await visit(app, { email: mistyped, name: 'Grace' }, { key });
  expect(await panelOf(id)).toMatchObject({ customer: { name: 'Grace', account_tier: null } });
});
