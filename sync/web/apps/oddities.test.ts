import { describe, expect, test } from 'vitest';
import { findLast, findOddities, type Known, sayUnheard } from './oddities.ts';

const app = {
  name: 'billing',
  logins: [{ name: 'billing_app', connections: 3, connections_max: 40 }],
  machines: [],
  processes: { live: 1, silent: 0 },
  seen_at: '2026-01-01T00:00:00Z',
  made_for: 63,
  subscriptions: ['billing.recipients'],
};
const known: Known = { app, madeFor: 63, webhooks: [], isConsumer: false, checks: [] };
const of = (changed: Partial<Known['app']>, others: Partial<Known> = {}) =>
  findOddities({ ...known, ...others, app: { ...app, ...changed } });

describe('an app', () => {
  test('that has a login, a process and a subscription has nothing odd about it', () => {
    expect(of({})).toEqual([]);
  });

  test('was last heard of by whichever way was last, and one that only reads is not called silent', () => {
    const [early, late] = ['2026-01-01T00:00:00Z', '2026-01-02T00:00:00+01:00'];
    expect(findLast({ seen_at: early, wrote_at: late }, [null])).toBe(late);
    expect(findLast({ seen_at: null, wrote_at: null }, [late, null, early])).toBe(late);
    expect(findLast({ seen_at: null, wrote_at: null }, [null])).toBeUndefined();
    const login = { name: 'billing_app', connections: 0, connections_max: 40 };
    expect(sayUnheard({ logins: [{ ...login, connections: 1 }], machines: [] })).toBe('its login is connected now');
    expect(sayUnheard({ logins: [login], machines: [] })).toMatch(/only reads, by SQL or HTTP, does not report/);
    expect(sayUnheard({ logins: [], machines: [] })).toMatch(/no way in/);
  });

  test('without a login is out of service, and the command that brings it back is there', () => {
    expect(of({ logins: [] })).toEqual([
      expect.objectContaining({ status: 'failing', command: 'npx aether app add billing --to billing.env' }),
    ]);
    expect(of({ name: 'support', logins: [] })[0]?.command).toContain('bootstrap');
  });

  test.each([
    [35, []],
    [36, ['warning']],
    [40, ['failing']],
  ])('with %i of 40 connections is %j', (connections, expected) => {
    const logins = [{ name: 'billing_app', connections, connections_max: 40 }];
    expect(of({ logins }).map(({ status }) => status)).toEqual(expected);
  });

  test('without any way to hear of events is odd, and one way is enough; an app of the house needs none', () => {
    const none = { subscriptions: [] };
    expect(of(none)).toEqual([expect.objectContaining({ mend: { to: '/webhooks', app: 'billing' } })]);
    expect(of(none, { webhooks: [{ name: 'billing.tiers' }] })).toEqual([]);
    expect(of(none, { isConsumer: true })).toEqual([]);
    expect(of({ ...none, machines: [{ client: 'm', scopes: ['events.read'] }] })).toEqual([]);
    expect(of({ ...none, name: 'support' })).toEqual([]);
  });

  test('with a process of an older version, with subscriptions that nobody runs, or with a machine that may do nothing is odd', () => {
    expect(of({ made_for: 61 })[0]?.words).toContain('made for migration 61, the console for 63');
    expect(of({ made_for: 64 })).toEqual([]);
    expect(of({ processes: { live: 0, silent: 0 } })[0]?.words).toContain('no process of it reports');
    expect(of({ machines: [{ client: 'm', scopes: [] }] })[0]?.command).toMatch(/^npx aether app client billing m /);
  });

  test('has what its checks and those of its ways in say, each with the page that mends it, and nothing of other apps', () => {
    const check = (slug: string, status: Known['checks'][number]['status']) => ({
      ...{ slug, status, reason: 'Why.', kind: slug.split(':')[0] as string },
      runbook: slug.split(':')[0] as string,
    });
    const checks = [
      check('process:billing', 'silent'),
      check('process:support', 'silent'),
      check('subscription:billing.recipients', 'stalled'),
      check('subscription:support.other', 'stalled'),
      check('webhook:billing.tiers', 'failing'),
      check('subscription:sync.webhook.billing.tiers', 'parked'),
      check('consumer:billing', 'parked'),
      check('pool:billing', 'ok'),
    ];
    expect(of({}, { webhooks: [{ name: 'billing.tiers' }], checks }).map(({ words, mend }) => [words, mend])).toEqual([
      ['Why.', { to: '/runbooks/$kind', kind: 'process' }],
      ['billing.recipients: Why.', { to: '/subscriptions/$name', name: 'billing.recipients' }],
      ['billing.tiers: Why.', { to: '/webhooks/$name', name: 'billing.tiers' }],
      ['sync.webhook.billing.tiers: Why.', { to: '/webhooks/$name', name: 'billing.tiers' }],
      ['Why.', { to: '/consumers' }],
    ]);
  });
});
