import { describe, expect, test } from 'vitest';
import { readAllowance, requireAllowed, SignInNotAllowed } from './allowance.ts';

const isAllowed = (variables: Record<string, string>, claims: Record<string, unknown>) => {
  try {
    requireAllowed(claims, { allowance: readAllowance(variables) });
    return true;
  } catch (error) {
    if (error instanceof SignInNotAllowed) return false;
    throw error;
  }
};

test('without a bound every person that the provider knows may sign in', () => {
  expect(isAllowed({}, {})).toBe(true);
});

describe('a bound by domain', () => {
  const bound = { SIGNIN_ALLOWED_DOMAINS: 'aether.example, Bücher.example' };
  test.each([
    [{ email: 'maya@aether.example', email_verified: true }],
    [{ email: 'maya@AETHER.example', email_verified: 'true' }],
    [{ email: 'maya@bücher.example', email_verified: true }],
    [{ email: 'maya@xn--bcher-kva.example', email_verified: true }],
    [{ email: 'maya@aether.example', xms_edov: true }],
    [{ email: 'maya@aether.example', xms_edov: '1' }],
    [{ hd: 'aether.example' }],
  ])('lets in %j', (claims) => {
    expect(isAllowed(bound, claims)).toBe(true);
  });

  test.each([
    [{}],
    [{ email: 'maya@aether.example' }],
    [{ email: 'maya@aether.example', email_verified: false }],
    [{ email: 'maya@aether.example', email_verified: 'false', xms_edov: false }],
    [{ preferred_username: 'maya@aether.example', email_verified: true }],
    [{ email: 'maya@evil.example', email_verified: true }],
    [{ email: 'maya@sub.aether.example', email_verified: true }],
    [{ email: 'maya@aether.example.evil.example', email_verified: true }],
    [{ email: 'maya@notaether.example', email_verified: true }],
    [{ email: '"maya@aether.example"@evil.example', email_verified: true }],
    [{ email: 'aether.example', email_verified: false, hd: '' }],
    [{ email: ['maya@aether.example'], email_verified: true }],
    [{ hd: 'evil.example', email: 'maya@aether.example' }],
  ])('keeps out %j', (claims) => {
    expect(isAllowed(bound, claims)).toBe(false);
  });
});

describe('a bound by group', () => {
  test.each([
    ['groups', ['sales'], true],
    ['groups', ['support', 'sales'], true],
    ['groups', ['Sales'], false],
    ['groups', 'sales', false],
    ['groups', [], false],
    ['roles', ['sales'], false],
  ])('with the claim %s of %j', (claim, groups, allowed) => {
    expect(isAllowed({ SIGNIN_ALLOWED_GROUPS: 'sales,leads' }, { [claim]: groups })).toBe(allowed);
  });

  test('reads the claim that the setting names', () => {
    const bound = { SIGNIN_ALLOWED_GROUPS: 'sales', SIGNIN_GROUPS_CLAIM: 'cognito:groups' };
    expect(isAllowed(bound, { 'cognito:groups': ['sales'] })).toBe(true);
    expect(isAllowed(bound, { groups: ['sales'] })).toBe(false);
  });

  test.each([[{ hasgroups: true }], [{ _claim_names: { groups: 'src1' } }]])(
    'logs that the provider left the groups out: %j',
    (claims) => {
      const refuse = () => requireAllowed(claims, { allowance: readAllowance({ SIGNIN_ALLOWED_GROUPS: 'sales' }) });
      expect(refuse).toThrow(
        expect.objectContaining({ cause: expect.objectContaining({ message: expect.stringContaining('too many') }) }),
      );
    },
  );
});

test('a bound by tenant lets in people of the named directories, and nobody without a directory', () => {
  const bound = { SIGNIN_ALLOWED_TENANTS: 'tenant-a,tenant-b' };
  expect(['tenant-a', 'tenant-b', 'tenant-c', '', undefined].map((tid) => isAllowed(bound, { tid }))).toEqual([
    true,
    true,
    false,
    false,
    false,
  ]);
});

test('a person must be within every bound that is set', () => {
  const bound = { SIGNIN_ALLOWED_TENANTS: 't', SIGNIN_ALLOWED_GROUPS: 'g', SIGNIN_ALLOWED_DOMAINS: 'a.example' };
  const whole = { tid: 't', groups: ['g'], email: 'x@a.example', email_verified: true };
  expect(isAllowed(bound, whole)).toBe(true);
  for (const missing of Object.keys(whole)) expect(isAllowed(bound, { ...whole, [missing]: undefined })).toBe(false);
});

test.each(['example', 'maya@aether.example', 'https://aether.example', 'a b.example', '*.aether.example'])(
  'a setting of %j, which is not a list of domains, is refused with its name',
  (given) => {
    expect(() => readAllowance({ SIGNIN_ALLOWED_DOMAINS: given })).toThrow(/SIGNIN_ALLOWED_DOMAINS/);
  },
);
