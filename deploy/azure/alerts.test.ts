import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { labelKeys, type Metric, metrics } from '@aether/http/metrics';
import { expect, test } from 'vitest';
import { describeAlerts } from './bicep.ts';

const read = (path: string) => readFileSync(join(import.meta.dirname, path), 'utf8');

type Rule = { name: string; severity: number; summary: string; runbook: string; by: string[]; query: string };

/** The rules that a file of Bicep has in `var rules`, read as Bicep reads them: no compiler of it comes by npm. */
function readRules(bicep: string): Rule[] {
  const body = /^var rules = \[\n(.*?)^\]$/ms.exec(bicep)?.[1] ?? '';
  return [...body.matchAll(/^ {2}\{\n(.*?)^ {2}\}$/gms)].map(([, each = '']) => {
    const text = (key: string) => new RegExp(`^ {4}${key}: '((?:[^'\\\\\\n]|\\\\.)*)'$`, 'm').exec(each)?.[1] ?? '';
    return {
      name: text('name'),
      severity: Number(/^ {4}severity: (\d)$/m.exec(each)?.[1]),
      summary: text('summary'),
      runbook: text('runbook'),
      by: [...(/^ {4}by: \[(.*?)\]$/ms.exec(each)?.[1] ?? '').matchAll(/'(\w+)'/g)].map(
        ([, column]) => column as string,
      ),
      query: /^ {4}query: '''\n(.*?)\n'''$/ms.exec(each)?.[1] ?? '',
    };
  });
}

/** The rules of Prometheus, as far as both lists have the same. */
const ofPrometheus = [
  ...read('../prometheus/alerts.yml').matchAll(
    /- alert: (\w+)\n.*?severity: (\w+) \}.*?runbook: '?(docs\/runbooks\/[^'\n]+)'?\n/gs,
  ),
].map(([, name, severity, runbook]) => ({ name, severity, runbook }));
const rules = readRules(read('alerts.bicep'));

test('the rules of Azure in the repository are those that the code makes: npm run azure writes them', () => {
  expect(read('alerts.bicep')).toBe(describeAlerts());
});

test('Azure and Prometheus alert for the same conditions, as urgently, and name the same runbook', () => {
  expect(ofPrometheus.length).toBeGreaterThan(7);
  const urgencies: Record<number, string> = { 1: 'critical', 2: 'warning' };
  // Prometheus writes the runbook of a check by its name, which a rule of Azure cannot: it names the page about all.
  const withoutTemplate = (runbook = '') => (runbook.includes('{{') ? 'docs/health.md' : runbook);
  expect(rules.map(({ name, severity, runbook }) => ({ name, severity: urgencies[severity], runbook }))).toEqual(
    ofPrometheus.map(({ runbook, ...rule }) => ({ ...rule, runbook: withoutTemplate(runbook) })),
  );
  for (const { runbook } of rules)
    expect(existsSync(join(import.meta.dirname, '..', '..', runbook)), runbook).toBe(true);
});

test('a rule asks for metrics, labels and columns that exist, and gives each of its dimensions', () => {
  const names = new Set(Object.values(metrics as Record<string, Metric>).map(({ name }) => name));
  for (const { name, query, by } of rules) {
    const [metric = ''] = [...query.matchAll(/name == '([^']+)'/g)].map(([, each]) => each);
    expect(names, name).toContain(metric);
    const { labels } = Object.values(metrics as Record<string, Metric>).find((each) => each.name === metric) as Metric;
    const asked = [...query.matchAll(/customDimensions\['([^']+)'\]/g)].map(([, key]) => key);
    expect(
      asked.filter((key) => !(labels as readonly string[]).includes(key as string)),
      name,
    ).toEqual([]);
    expect(labelKeys.length).toBeGreaterThan(5);
    for (const column of by) expect(query, name).toMatch(new RegExp(`by [^|]*\\b${column}\\b`));
  }
});

test('the file has no bracket or quote open, and every parameter that it declares is used', () => {
  const bicep = read('alerts.bicep');
  const code = bicep
    .replaceAll(/'''.*?'''/gs, '')
    .replaceAll(/^\/\/.*$/gm, '')
    .replaceAll(/'(?:[^'\\\n]|\\.)*'/g, '');
  expect(code).not.toContain("'");
  for (const [open, closed] of ['()', '[]', '{}']) {
    let depth = 0;
    for (const sign of code) {
      if (sign === open) depth++;
      if (sign === closed) depth--;
      expect(depth).toBeGreaterThanOrEqual(0);
    }
    expect(depth).toBe(0);
  }
  for (const [, name = ''] of bicep.matchAll(/^param (\w+)/gm))
    expect(bicep.split(name).length, name).toBeGreaterThan(2);
});
