import { type LabelKey, type Metric, metrics, toPrometheusLabel, toPrometheusName } from '@aether/http/metrics';
import { VizLegendOptionsBuilder } from '@grafana/grafana-foundation-sdk/common';
import { DashboardBuilder, DatasourceVariableBuilder, RowBuilder } from '@grafana/grafana-foundation-sdk/dashboard';
import { DataqueryBuilder } from '@grafana/grafana-foundation-sdk/prometheus';
import { PanelBuilder } from '@grafana/grafana-foundation-sdk/timeseries';

const source = { type: 'prometheus', uid: '$datasource' };
const nameOf = (metric: Metric) => toPrometheusName(metric);
const by = (...keys: LabelKey[]) => `by (${['instance', ...keys.map(toPrometheusLabel)].join(', ')})`;
const legendOf = (...keys: LabelKey[]) => keys.map((key) => `{{${toPrometheusLabel(key)}}}`).join(' ');

/** The rate of a counter or of a histogram's observations, in the sum of these labels. */
const rate = (metric: Metric, keys: LabelKey[], filter = '') =>
  `sum ${by(...keys)} (rate(${nameOf(metric)}${metric.kind === 'histogram' ? '_count' : ''}${filter}[$__rate_interval]))`;

const quantile = (q: number, metric: Metric, keys: LabelKey[]) =>
  `histogram_quantile(${q}, sum by (${['le', ...keys.map(toPrometheusLabel)].join(', ')}) (rate(${nameOf(metric)}_bucket[$__rate_interval])))`;

type Query = { expr: string; legend: string };

function panel(title: string, unit: string, queries: Query[], description?: string): PanelBuilder {
  const built = new PanelBuilder()
    .title(title)
    .unit(unit)
    .min(0)
    .datasource(source)
    // The builder shows no legend unless it is asked to.
    .legend(new VizLegendOptionsBuilder().showLegend(true));
  if (description) built.description(description);
  for (const [index, { expr, legend }] of queries.entries())
    built.withTarget(
      new DataqueryBuilder()
        .refId(String.fromCharCode(65 + index)) // queries of one panel without it overwrite each other
        .datasource(source)
        .expr(expr)
        .legendFormat(legend),
    );
  return built;
}

const quantiles = (metric: Metric, key: LabelKey): Query[] =>
  [0.5, 0.95, 0.99].map((q) => ({ expr: quantile(q, metric, [key]), legend: `p${q * 100} ${legendOf(key)}` }));

/** The dashboard of the whole house: one page from the outside in. `npm run dashboard` writes it to aether.json. */
export function describeDashboard(): object {
  const m = metrics;
  return new DashboardBuilder('Aether Sync')
    .uid('aether-sync')
    .tags(['aether'])
    .description('Made by deploy/grafana/dashboard.ts: change it there.')
    .timezone('browser')
    .refresh('30s')
    .time({ from: 'now-3h', to: 'now' })
    .withVariable(new DatasourceVariableBuilder('datasource').label('Source').type('prometheus'))
    .withRow(new RowBuilder('Checks'))
    .withPanel(
      panel('Checks that are not well', 'short', [
        {
          expr: `max by (aether_check_slug, aether_check_status) (${nameOf(m.checks)}{aether_check_status!="ok"})`,
          legend: legendOf('aether.check.slug', 'aether.check.status'),
        },
      ]),
    )
    .withPanel(
      panel('Last evaluation, and the attempts to deliver alerts', 's', [
        { expr: `min(${nameOf(m.checksEvaluated)})`, legend: 'age of the checks' },
        {
          expr: rate(m.alertsDelivered, ['aether.alert.target', 'aether.alert.outcome']),
          legend: legendOf('aether.alert.target', 'aether.alert.outcome'),
        },
      ]),
    )
    .withRow(new RowBuilder('Requests'))
    .withPanel(
      panel('Requests a second', 'reqps', [{ expr: rate(m.httpRequests, ['aether.app']), legend: '{{aether_app}}' }]),
    )
    .withPanel(
      panel('Answers that failed (5xx) a second', 'reqps', [
        {
          expr: rate(m.httpRequests, ['aether.app', 'http.route'], '{http_response_status_code=~"5.."}'),
          legend: legendOf('aether.app', 'http.route'),
        },
      ]),
    )
    .withPanel(panel('Time to answer', 's', quantiles(m.httpRequests, 'aether.app')))
    .withPanel(
      panel('Open streams', 'short', [
        { expr: `sum by (aether_app) (${nameOf(m.streams)})`, legend: '{{aether_app}}' },
      ]),
    )
    .withRow(new RowBuilder('Database'))
    .withPanel(panel('Time of a query', 's', quantiles(m.queries, 'aether.app')))
    .withPanel(
      panel('Queries a second', 'qps', [
        { expr: rate(m.queries, ['aether.app']), legend: '{{aether_app}}' },
        {
          expr: rate(m.queries, ['aether.app', 'error.type'], '{error_type!=""}'),
          legend: legendOf('aether.app', 'error.type'),
        },
      ]),
    )
    .withPanel(
      panel('Connections of each pool', 'short', [
        {
          expr: `sum by (db_client_connection_pool_name, db_client_connection_state) (${nameOf(m.poolConnections)})`,
          legend: legendOf('db.client.connection.pool.name', 'db.client.connection.state'),
        },
        {
          expr: `sum by (db_client_connection_pool_name) (${nameOf(m.poolMax)})`,
          legend: 'most of {{db_client_connection_pool_name}}',
        },
        {
          expr: `sum by (db_client_connection_pool_name) (${nameOf(m.poolWaiting)})`,
          legend: 'calls that wait for {{db_client_connection_pool_name}}',
        },
      ]),
    )
    .withPanel(
      panel('Lookups a second', 'ops', [
        { expr: rate(m.lookups, ['aether.app']), legend: 'asked by {{aether_app}}' },
        { expr: rate(m.lookupQueries, ['aether.app']), legend: 'queries of {{aether_app}}' },
        {
          expr: rate(m.cacheLookups, ['aether.app', 'aether.lookup.result']),
          legend: 'cache {{aether_lookup_result}} {{aether_app}}',
        },
      ]),
    )
    .withPanel(
      panel(
        'Reads that a replica may answer, a second',
        'ops',
        [
          {
            expr: rate(m.reads, ['aether.app', 'aether.read.place', 'aether.read.reason']),
            legend: '{{aether_app}} {{aether_read_place}} {{aether_read_reason}}',
          },
        ],
        'Only with PLATFORM_DB_REPLICA_URL.',
      ),
    )
    .withPanel(
      panel('Age of the replica', 's', [
        { expr: `max by (aether_app) (${nameOf(m.replicaAge)})`, legend: '{{aether_app}}' },
      ]),
    )
    .withRow(new RowBuilder('Events'))
    .withPanel(
      panel('Events a second', 'ops', [
        { expr: `sum(rate(${nameOf(m.sequenced)}[$__rate_interval]))`, legend: 'numbered' },
        { expr: rate(m.eventsHandled, ['aether.subscription']), legend: 'handled by {{aether_subscription}}' },
      ]),
    )
    .withPanel(
      panel('Events that failed, a second', 'ops', [
        { expr: rate(m.eventsParked, ['aether.subscription']), legend: 'parked by {{aether_subscription}}' },
        { expr: rate(m.eventsDead, ['aether.subscription']), legend: 'dead in {{aether_subscription}}' },
      ]),
    )
    .withPanel(
      panel('Age of the oldest event that is not handled', 's', [
        { expr: `max by (aether_subscription) (${nameOf(m.subscriptionDelay)})`, legend: '{{aether_subscription}}' },
      ]),
    )
    .withPanel(
      panel('Events that are not handled', 'short', [
        { expr: `max by (aether_subscription) (${nameOf(m.subscriptionLag)})`, legend: '{{aether_subscription}}' },
      ]),
    )
    .withPanel(
      panel('Workers', 'short', [
        { expr: `sum by (instance) (${nameOf(m.sequencerLeads)})`, legend: '{{instance}} leads' },
        {
          expr: `sum by (instance) (rate(${nameOf(m.sequencerBatches)}[$__rate_interval]))`,
          legend: '{{instance}} batches a second',
        },
      ]),
    )
    .withPanel(
      panel('Log and live feed', 'short', [
        { expr: `max(${nameOf(m.sequencerHead)})`, legend: 'newest position' },
        { expr: `min by (aether_app) (${nameOf(m.feedLive)})`, legend: 'feed of {{aether_app}} is live' },
      ]),
    )
    .withRow(new RowBuilder('Processes'))
    .withPanel(panel('Memory', 'bytes', [{ expr: nameOf(m.memory), legend: '{{job}} {{instance}}' }]))
    .withPanel(
      panel('Processor', 'percentunit', [
        { expr: `rate(${nameOf(m.processorTime)}[$__rate_interval])`, legend: '{{job}} {{instance}}' },
        { expr: nameOf(m.eventLoop), legend: 'event loop of {{job}} {{instance}}' },
      ]),
    )
    .build();
}
