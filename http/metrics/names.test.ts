import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { boundLabels } from './labels.ts';
import { labelKeys, type Metric, metrics, toPrometheusName } from './names.ts';

const all: Metric[] = Object.values(metrics);

test('the names of the metrics are fixed, because dashboards and alerts elsewhere stand on them', () => {
  expect(all.map(toPrometheusName).sort()).toEqual([
    'aether_alerts_delivered_total',
    'aether_cache_lookups_total',
    'aether_check_state_ratio',
    'aether_checks_age_seconds',
    'aether_events_dead_total',
    'aether_events_handled_total',
    'aether_events_parked_total',
    'aether_feed_live_ratio',
    'aether_lookups_asked_total',
    'aether_lookups_queries_total',
    'aether_reads_total',
    'aether_replica_age_seconds',
    'aether_sequencer_batches_total',
    'aether_sequencer_events_total',
    'aether_sequencer_head',
    'aether_sequencer_leads_ratio',
    'aether_streams_open',
    'aether_subscription_delay_seconds',
    'aether_subscription_lag',
    'db_client_connection_count',
    'db_client_connection_max',
    'db_client_connection_pending_requests',
    'db_client_operation_duration_seconds',
    'http_server_request_duration_seconds',
    'nodejs_eventloop_utilization_ratio',
    'process_cpu_time_seconds_total',
    'process_memory_usage_bytes',
  ]);
});

test('docs/metrics.md describes every metric, with its labels, and no other', () => {
  const page = readFileSync(join(import.meta.dirname, '..', '..', 'docs', 'metrics.md'), 'utf8');
  const listed = [...page.matchAll(/^\| `([a-z_]+)` \| `?([^|]*?)`? \|/gm)].map(([, name]) => name);
  expect(listed.sort()).toEqual(all.map(toPrometheusName).sort());
  for (const metric of all) expect(page).toContain(`\`${metric.name}\``);
});

test('no two names or labels become one in Prometheus, which would hide both or spoil the whole page', () => {
  const names = all.flatMap((metric) => {
    const name = toPrometheusName(metric);
    return metric.kind === 'histogram' ? [name, `${name}_bucket`, `${name}_sum`, `${name}_count`] : [name];
  });
  expect(new Set(names).size).toBe(names.length);
  const labels = labelKeys.map((key) => key.replaceAll('.', '_'));
  expect(new Set(labels).size).toBe(labels.length);
  expect(labels).not.toContain('le');
});

describe('the labels of a value', () => {
  const bound = boundLabels();
  const metric = metrics.httpRequests;
  test('are those of its metric, each always there', () => {
    expect(bound(metric, { 'aether.app': 'support', 'aether.subscription': 'x' })).toEqual({
      'aether.app': 'support',
      'http.request.method': '_OTHER',
      'http.route': '',
      'http.response.status_code': '',
    });
  });

  test.each([
    'ada@example.com',
    '/api/customers/019a2b3c-4d5e-7f00-8000-000000000000',
    '/api/customers/1234567',
    'Ada Lovelace',
    'Ådå',
    'x'.repeat(121),
  ])('are "other" instead of %s, which no template or name contains', (value) => {
    expect(bound(metric, { 'http.route': value })['http.route']).toBe('other');
  });

  test('have at most 300 values; the others count together', () => {
    const values = Array.from({ length: 1_000 }, (_, n) => bound(metric, { 'http.route': `/r${n}` })['http.route']);
    expect(new Set(values).size).toBeLessThanOrEqual(301);
    expect(values.at(-1)).toBe('other');
    expect(bound(metric, { 'http.route': '/r1' })['http.route']).toBe('/r1');
  });
});
