/**
 * The alert rules of Azure Monitor: the same conditions as deploy/prometheus/alerts.yml, asked of what the processes send to Application
 * Insights. `npm run azure` writes alerts.bicep from them, and a test compares both lists.
 *
 * A rule alerts when its query gives a row. `by` names the columns that tell rows apart: each value has an alert of its own.
 */
export type AzureRule = {
  name: string;
  severity: 'critical' | 'warning';
  summary: string;
  runbook: string;
  by?: string[];
  /** How far back the query looks, if that is not the window of five minutes. */
  range?: 'PT10M' | 'P1D';
  query: string[];
};

const series = (name: string, ago: string) => `customMetrics | where timestamp > ago(${ago}) and name == '${name}'`;
const label = (key: string) => `tostring(customDimensions['${key}'])`;

export const azureRules: AzureRule[] = [
  {
    name: 'AetherProcessDown',
    severity: 'critical',
    summary: 'An app or a worker that has reported today sends nothing more.',
    runbook: 'docs/runbooks/process.md',
    by: ['cloud_RoleName'],
    range: 'P1D',
    query: [
      series('process.memory.usage', '1d'),
      '| summarize last = max(timestamp) by cloud_RoleName',
      '| where last < ago(5m)',
    ],
  },
  {
    name: 'AetherNobodyNumbers',
    severity: 'critical',
    summary: 'No worker numbers events.',
    runbook: 'docs/runbooks/sequencer.md',
    // Without a row `max` gives null: then no worker reports.
    query: [
      series('aether.sequencer.leads', '5m'),
      '| summarize leads = max(value)',
      '| where isnull(leads) or leads == 0',
    ],
  },
  {
    name: 'AetherChecksNotMade',
    severity: 'critical',
    summary: 'Nobody makes the checks.',
    runbook: 'docs/runbooks/monitor.md',
    query: [series('aether.checks.age', '5m'), '| summarize age = min(value)', '| where isnull(age) or age > 60'],
  },
  {
    name: 'AetherCheckNotWell',
    severity: 'warning',
    summary: 'A check is not well: its name and its status are the dimensions.',
    runbook: 'docs/health.md',
    by: ['check', 'status'],
    query: [
      `${series('aether.check.state', '5m')} and value > 0`,
      `| extend check = ${label('aether.check.slug')}, status = ${label('aether.check.status')}`,
      "| where status !in ('ok', 'paused', 'catching-up', 'warning')",
      // In two of the reports, which come once a minute: as `for: 2m`.
      '| summarize seen = dcount(bin(timestamp, 1m)) by check, status',
      '| where seen >= 2',
    ],
  },
  {
    name: 'AetherAnswersFail',
    severity: 'warning',
    summary: 'An app fails more than one in twenty requests.',
    runbook: 'docs/runbooks/process.md',
    by: ['app'],
    range: 'PT10M',
    query: [
      series('http.server.request.duration', '10m'),
      `| extend app = ${label('aether.app')}, status = toint(${label('http.response.status_code')})`,
      '| summarize failed = sumif(valueCount, status >= 500), asked = sum(valueCount) by app',
      '| where asked > 0 and 1.0 * failed / asked > 0.05',
    ],
  },
  {
    name: 'AetherPoolExhausted',
    severity: 'warning',
    summary: 'Calls have waited for a connection for five minutes.',
    runbook: 'docs/runbooks/pool.md',
    by: ['pool'],
    query: [
      series('db.client.connection.pending_requests', '5m'),
      `| extend pool = ${label('db.client.connection.pool.name')}`,
      '| summarize waiting = min(value), reports = count() by pool',
      '| where waiting > 0 and reports >= 4',
    ],
  },
  {
    name: 'AetherSubscriptionLate',
    severity: 'warning',
    summary: 'A subscription is more than five minutes behind.',
    runbook: 'docs/runbooks/subscription.md',
    by: ['subscription'],
    query: [
      series('aether.subscription.delay', '5m'),
      `| extend subscription = ${label('aether.subscription')}`,
      '| summarize delay = min(value) by subscription',
      '| where delay > 300',
    ],
  },
  {
    name: 'AetherEventsDead',
    severity: 'warning',
    summary: 'Events of a subscription wait for a person.',
    runbook: 'docs/runbooks/subscription.md',
    by: ['subscription'],
    range: 'PT10M',
    query: [
      series('aether.events.dead', '10m'),
      `| extend subscription = ${label('aether.subscription')}`,
      '| summarize dead = sum(valueSum) by subscription',
      '| where dead > 0',
    ],
  },
];
