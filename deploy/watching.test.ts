import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Metric, metrics, toPrometheusLabel, toPrometheusName } from '@aether/http/metrics';
import { expect, test } from 'vitest';
import { describeDashboard } from './grafana/dashboard.ts';

const read = (path: string) => readFileSync(join(import.meta.dirname, path), 'utf8');
const all: Metric[] = Object.values(metrics);
/** Every series of every metric, as a query names it. */
const series = new Set(
  all.flatMap((metric) => {
    const name = toPrometheusName(metric);
    return metric.kind === 'histogram' ? [`${name}_bucket`, `${name}_sum`, `${name}_count`] : [name];
  }),
);
const named = (text: string) => [
  ...new Set(text.match(/\b(?:aether|db_client|http_server|process|nodejs)_[a-z_]+\b/g)),
];
const labels = new Set(all.flatMap((metric) => metric.labels.map(toPrometheusLabel)));

test('the dashboard in the repository is the one that the code makes: npm run dashboard writes it', () => {
  expect(JSON.parse(read('grafana/aether.json'))).toEqual(JSON.parse(JSON.stringify(describeDashboard())));
});

test('every metric in the dashboard exists, and every metric is in it', () => {
  const used = named(read('grafana/aether.json'));
  expect(used.filter((name) => !series.has(name) && !labels.has(name))).toEqual([]);
  const shown = all.filter((metric) => used.some((name) => name.startsWith(toPrometheusName(metric))));
  expect(all.filter((metric) => !shown.includes(metric)).map(({ name }) => name)).toEqual([]);
});

test('the queries of a panel have names of their own, and every panel has a legend', () => {
  const { panels } = JSON.parse(read('grafana/aether.json')) as {
    panels: { type: string; targets?: { refId: string }[]; options?: { legend: { showLegend: boolean } } }[];
  };
  for (const { type, targets = [], options } of panels) {
    if (type === 'row') continue;
    expect(new Set(targets.map(({ refId }) => refId)).size).toBe(targets.length);
    expect(options?.legend.showLegend).toBe(true);
  }
});

test('every metric and every runbook in the rules of Prometheus exists', () => {
  const rules = read('prometheus/alerts.yml');
  expect(named(rules).filter((name) => !series.has(name) && !labels.has(name))).toEqual([]);
  const runbooks = [...rules.matchAll(/docs\/runbooks\/([a-z-]+)\.md/g)].map(([path]) => path);
  expect(runbooks.length).toBeGreaterThan(5);
  for (const path of runbooks) expect(existsSync(join(import.meta.dirname, '..', path)), path).toBe(true);
});

const hasPromtool = spawnSync('promtool', ['--version']).status === 0;
test.skipIf(!hasPromtool)(
  'the rules of Prometheus tell what is wrong, and nothing while all is well (needs promtool)',
  () => {
    const { status, stdout, stderr } = spawnSync('promtool', ['test', 'rules', 'alerts.test.yml'], {
      cwd: join(import.meta.dirname, 'prometheus'),
      encoding: 'utf8',
    });
    expect(status, stdout + stderr).toBe(0);
  },
);
