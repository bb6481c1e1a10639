import { expect, test } from 'vitest';
import { explainCode, sayState, shortenAddress } from './words.ts';

const well = { disabled_at: null, is_given_up: false, failing_since: null, delivered_at: '2026-01-01T00:00:00Z' };
const at = '2026-01-02T00:00:00Z';

test.each([
  [well, undefined, 'working'],
  [{ ...well, delivered_at: null }, undefined, 'nothing delivered yet'],
  [{ ...well, failing_since: at }, { is_paused: false }, 'failing'],
  [{ ...well, failing_since: at }, { is_paused: true }, 'paused'],
  [{ ...well, failing_since: at, disabled_at: at }, undefined, 'disabled'],
  [{ ...well, disabled_at: at, is_given_up: true }, undefined, 'given up'],
])('a webhook like %j with the subscription %j is %s', (webhook, subscription, word) => {
  expect(sayState(webhook, subscription).word).toBe(word);
});

test.each([
  ['HTTP 204', undefined],
  ['HTTP 301', /redirects are not followed/],
  ['HTTP 401', /missed the new secret/],
  ['HTTP 404', /correct it/],
  ['HTTP 418', /refuses it/],
  ['HTTP 500', /fails itself/],
  ['no answer in time', /within ten seconds/],
  ['ADDRESS_REFUSED', /SYNC_WEBHOOK_NETWORKS/],
  ['CERT_HAS_EXPIRED', /certificate/],
  ['DEPTH_ZERO_SELF_SIGNED_CERT', /certificate/],
  ['E_NEVER_SEEN', undefined],
])('the code %s is explained by %s', (code, words) => {
  if (words) expect(explainCode(code)).toMatch(words);
  else expect(explainCode(code)).toBeUndefined();
});

test.each([
  ['https://billing.example.com/aether', 'https://billing.example.com/aether'],
  ['https://billing.example.com/aether?token=secret', 'https://billing.example.com/aether…'],
  [`https://billing.example.com/${'a'.repeat(1_900)}`, `https://billing.example.com/${'a'.repeat(52)}…`],
])('the address %s is in a list as %s', (url, words) => {
  expect(shortenAddress(url)).toBe(words);
});
