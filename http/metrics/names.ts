/**
 * Every metric that a process may publish, with its unit and its labels. Dashboards and alerts stand on these names, so a test fixes them.
 * Where OpenTelemetry's semantic conventions have a name, that is the name. Instruments have these names on every route; Prometheus shows
 * them as `toPrometheusName` says, at `/metrics` as well as behind a collector.
 */

/** `gauge`: what is there at the moment when the metrics are read. `total`: a gauge that only grows, kept by somebody else. */
type Kind = 'counter' | 'total' | 'gauge' | 'histogram';

/** Units of UCUM; a word in braces counts things. */
type Unit = 's' | 'By' | '1' | `{${string}}`;

/** The keys of all labels. A value is a template, a name or a code from a short list: never a path, an id or a text. */
export const labelKeys = [
  'aether.app',
  'aether.alert.outcome',
  'aether.alert.target',
  'aether.check.slug',
  'aether.check.status',
  'aether.lookup.result',
  'aether.read.place',
  'aether.read.reason',
  'aether.subscription',
  'db.client.connection.pool.name',
  'db.client.connection.state',
  'error.type',
  'http.request.method',
  'http.response.status_code',
  'http.route',
] as const;
export type LabelKey = (typeof labelKeys)[number];
export type Labels = Partial<Record<LabelKey, string | number>>;

export type Metric = {
  name: string;
  kind: Kind;
  unit: Unit;
  description: string;
  labels: readonly LabelKey[];
  /** The upper bounds of a histogram's buckets. */
  bounds?: readonly number[];
};

const requestBounds = [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10];
const queryBounds = [0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5, 10];

export const metrics = {
  httpRequests: {
    name: 'http.server.request.duration',
    kind: 'histogram',
    unit: 's',
    description: 'From the first middleware to the head of the answer.',
    labels: ['aether.app', 'http.request.method', 'http.route', 'http.response.status_code'],
    bounds: requestBounds,
  },
  streams: {
    name: 'aether.streams.open',
    kind: 'gauge',
    unit: '{stream}',
    description: 'Answers without end that are open: live events of screens and chats.',
    labels: ['aether.app'],
  },
  queries: {
    name: 'db.client.operation.duration',
    kind: 'histogram',
    unit: 's',
    description: 'From sending a statement to its answer, without the wait for a connection.',
    labels: ['aether.app', 'error.type'],
    bounds: queryBounds,
  },
  poolConnections: {
    name: 'db.client.connection.count',
    kind: 'gauge',
    unit: '{connection}',
    description: 'Connections of a pool, in use or idle.',
    labels: ['db.client.connection.pool.name', 'db.client.connection.state'],
  },
  poolMax: {
    name: 'db.client.connection.max',
    kind: 'gauge',
    unit: '{connection}',
    description: 'The most connections that a pool opens.',
    labels: ['db.client.connection.pool.name'],
  },
  poolWaiting: {
    name: 'db.client.connection.pending_requests',
    kind: 'gauge',
    unit: '{request}',
    description: 'Calls that wait for a connection of a pool.',
    labels: ['db.client.connection.pool.name'],
  },
  lookups: {
    name: 'aether.lookups.asked',
    kind: 'total',
    unit: '{lookup}',
    description: 'Lookups of one record by its key.',
    labels: ['aether.app'],
  },
  lookupQueries: {
    name: 'aether.lookups.queries',
    kind: 'total',
    unit: '{query}',
    description: 'Queries that answered those lookups: those of one tick share a query.',
    labels: ['aether.app'],
  },
  reads: {
    name: 'aether.reads',
    kind: 'total',
    unit: '{statement}',
    description: 'Lookups and lists that a replica may answer, by where they came from; from the primary also why.',
    labels: ['aether.app', 'aether.read.place', 'aether.read.reason'],
  },
  replicaAge: {
    name: 'aether.replica.age',
    kind: 'gauge',
    unit: 's',
    description: 'How old the data of the replica may be; not there while nobody knows.',
    labels: ['aether.app'],
  },
  cacheLookups: {
    name: 'aether.cache.lookups',
    kind: 'total',
    unit: '{lookup}',
    description: 'Lookups at the cache of customers, found there (hit) or not (miss).',
    labels: ['aether.app', 'aether.lookup.result'],
  },
  eventsHandled: {
    name: 'aether.events.handled',
    kind: 'counter',
    unit: '{event}',
    description: 'Events that a subscription has handled in this process.',
    labels: ['aether.app', 'aether.subscription'],
  },
  eventsParked: {
    name: 'aether.events.parked',
    kind: 'counter',
    unit: '{event}',
    description: 'Attempts of a subscription that failed and parked their event.',
    labels: ['aether.app', 'aether.subscription'],
  },
  eventsDead: {
    name: 'aether.events.dead',
    kind: 'counter',
    unit: '{event}',
    description: 'Events whose last attempt failed: they wait for a person.',
    labels: ['aether.app', 'aether.subscription'],
  },
  feedLive: {
    name: 'aether.feed.live',
    kind: 'gauge',
    unit: '1',
    description: '1 while committed events reach the screens of this process at once, 0 while the feed is cut or late.',
    labels: ['aether.app'],
  },
  sequenced: {
    name: 'aether.sequencer.events',
    kind: 'total',
    unit: '{event}',
    description: 'Events that this worker has numbered.',
    labels: [],
  },
  sequencerBatches: {
    name: 'aether.sequencer.batches',
    kind: 'total',
    unit: '{batch}',
    description: 'Batches in which this worker has numbered events.',
    labels: [],
  },
  sequencerLeads: {
    name: 'aether.sequencer.leads',
    kind: 'gauge',
    unit: '1',
    description: '1 in the worker that numbers events, 0 in one that stands by or has no connection.',
    labels: [],
  },
  sequencerHead: {
    name: 'aether.sequencer.head',
    kind: 'gauge',
    unit: '{position}',
    description: 'The newest position of the log, as this worker knows it.',
    labels: [],
  },
  checks: {
    name: 'aether.check.state',
    kind: 'gauge',
    unit: '1',
    description: '1 for the present status of each check of the console, as this process last evaluated it.',
    labels: ['aether.check.slug', 'aether.check.status'],
  },
  checksEvaluated: {
    name: 'aether.checks.age',
    kind: 'gauge',
    unit: 's',
    description: 'How long ago this process evaluated the checks.',
    labels: [],
  },
  subscriptionLag: {
    name: 'aether.subscription.lag',
    kind: 'gauge',
    unit: '{event}',
    description:
      'Numbered events that a subscription has not handled, as counted by the check (which stops at its limit).',
    labels: ['aether.subscription'],
  },
  subscriptionDelay: {
    name: 'aether.subscription.delay',
    kind: 'gauge',
    unit: 's',
    description: 'The age of the oldest event that a subscription has not handled.',
    labels: ['aether.subscription'],
  },
  alertsDelivered: {
    name: 'aether.alerts.delivered',
    kind: 'counter',
    unit: '{attempt}',
    description: 'Attempts of this process to deliver an alert to a target, by their outcome.',
    labels: ['aether.alert.target', 'aether.alert.outcome'],
  },
  memory: {
    name: 'process.memory.usage',
    kind: 'gauge',
    unit: 'By',
    description: 'The memory that the process holds.',
    labels: [],
  },
  processorTime: {
    name: 'process.cpu.time',
    kind: 'total',
    unit: 's',
    description: 'The processor time that the process has used.',
    labels: [],
  },
  eventLoop: {
    name: 'nodejs.eventloop.utilization',
    kind: 'gauge',
    unit: '1',
    description: 'The part of the time, since the metrics were read last, in which the event loop was busy.',
    labels: [],
  },
} as const satisfies Record<string, Metric>;

export type MetricKey = keyof typeof metrics;

const unitWords: Record<string, string> = { s: '_seconds', By: '_bytes' };

/**
 * The name in Prometheus, without the `_bucket`, `_sum` and `_count` of a histogram. It is what OpenTelemetry's rules for Prometheus make of
 * the name, so that a collector, Prometheus' own OTLP receiver and `/metrics` agree. The exporter for Prometheus leaves the unit out.
 */
export function toPrometheusName({ name, kind, unit }: Pick<Metric, 'name' | 'kind' | 'unit'>): string {
  const isTotal = kind === 'counter' || kind === 'total';
  const word = unit === '1' && kind === 'gauge' ? '_ratio' : (unitWords[unit] ?? '');
  return `${name.replaceAll(/[^a-zA-Z0-9]+/g, '_')}${word}${isTotal ? '_total' : ''}`;
}

/** The name of a label in Prometheus. */
export function toPrometheusLabel(key: LabelKey): string {
  return key.replaceAll(/[^a-zA-Z0-9]+/g, '_');
}
