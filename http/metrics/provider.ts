import type { Attributes, Counter, Histogram, ObservableResult } from '@opentelemetry/api';
import { PrometheusSerializer } from '@opentelemetry/exporter-prometheus';
import { resourceFromAttributes } from '@opentelemetry/resources';
import {
  AggregationTemporality,
  type IMetricReader,
  InstrumentType,
  MeterProvider,
  MetricReader,
  type ResourceMetrics,
} from '@opentelemetry/sdk-metrics';
import packageJson from '../package.json' with { type: 'json' };
import type { Log } from '../serving/log.ts';
import { boundLabels } from './labels.ts';
import { type Labels, type Metric, type MetricKey, metrics as names, toPrometheusName } from './names.ts';
import { within } from './within.ts';

const collectMs = 5_000;
const closeMs = 3_000;

/** How an observed metric tells its present values. */
export type Tell = (value: number, labels?: Labels) => void;

export type Published = {
  /** Adds to a counter or a histogram. What is no finite number from 0 on is left out: one NaN would spoil a sum for ever. */
  record(key: MetricKey, value: number, labels?: Labels): void;
  /** Calls `read` whenever the metrics are read, for a gauge or a total. @returns a function that ends it */
  observe(key: MetricKey, read: (tell: Tell) => void): () => void;
  /** The metrics as Prometheus reads them. */
  render(): Promise<string>;
  /** Settles within three seconds, also if what is to be sent cannot be. */
  close(): Promise<void>;
};

/** Opens the provider of a process. Metrics go to who calls `render`, and to Azure if it has a connection string. */
export async function publishMetrics(
  name: string,
  azureConnection: string | undefined,
  log: Pick<Log, 'warn' | 'error'>,
): Promise<Published> {
  const text = new TextReader();
  const azure = azureConnection === undefined ? undefined : await openAzure(azureConnection, log);
  const provider = new MeterProvider({
    // Without a name, the path of this machine's node would be published.
    resource: resourceFromAttributes({ 'service.name': name, 'service.version': packageJson.version }),
    readers: azure ? [text, azure] : [text],
  });
  return {
    ...createInstruments(provider),
    render: () => text.render(),
    close: () => within(closeMs, provider.shutdown({ timeoutMillis: closeMs })),
  };
}

/** The app goes on without Azure if it cannot be used. */
async function openAzure(connection: string, log: Pick<Log, 'warn' | 'error'>): Promise<IMetricReader | undefined> {
  try {
    const { createAzureReader } = await import('./azure.ts'); // loaded only here: its client costs memory and half a second
    return createAzureReader(connection, log);
  } catch (error) {
    log.error({ err: error }, 'no metrics go to Azure: APPLICATIONINSIGHTS_CONNECTION_STRING cannot be used');
    return undefined;
  }
}

/** One instrument for each name; the labels of every value are bounded. */
function createInstruments(provider: MeterProvider): Pick<Published, 'record' | 'observe'> {
  const meter = provider.getMeter('aether');
  const bound = boundLabels();
  const recorders = new Map<MetricKey, (value: number, attributes: Attributes) => void>();
  const observers = new Map<MetricKey, Set<(tell: Tell) => void>>();
  for (const [key, metric] of Object.entries(names) as [MetricKey, Metric][]) {
    const options = { unit: metric.unit, description: metric.description };
    if (metric.kind === 'counter') recorders.set(key, addTo(meter.createCounter(metric.name, options)));
    if (metric.kind === 'histogram') {
      const advice = { explicitBucketBoundaries: [...(metric.bounds ?? [])] };
      recorders.set(key, recordIn(meter.createHistogram(metric.name, { ...options, advice })));
    }
    if (metric.kind !== 'gauge' && metric.kind !== 'total') continue;
    const readers = new Set<(tell: Tell) => void>();
    observers.set(key, readers);
    const instrument =
      metric.kind === 'gauge'
        ? meter.createObservableGauge(metric.name, options)
        : meter.createObservableCounter(metric.name, options);
    instrument.addCallback((result) => observeAll(result, readers, (labels) => bound(metric, labels)));
  }
  return {
    record(key, value, labels = {}) {
      if (Number.isFinite(value) && value >= 0) recorders.get(key)?.(value, bound(names[key], labels));
    },
    observe(key, read) {
      const readers = observers.get(key);
      if (!readers) throw new TypeError(`${key} is recorded, not observed`);
      readers.add(read);
      return () => void readers.delete(read);
    },
  };
}

const addTo = (counter: Counter) => (value: number, attributes: Attributes) => counter.add(value, attributes);
const recordIn = (histogram: Histogram) => (value: number, attributes: Attributes) =>
  histogram.record(value, attributes);

/** Values of the same labels, such as those of two servers in one process, are added up: the SDK would keep the last one only. */
function observeAll(
  result: ObservableResult,
  readers: Iterable<(tell: Tell) => void>,
  bound: (labels: Labels) => Record<string, string>,
): void {
  const sums = new Map<string, { value: number; attributes: Record<string, string> }>();
  for (const read of readers)
    read((value, labels = {}) => {
      if (!Number.isFinite(value)) return;
      const attributes = bound(labels);
      const key = JSON.stringify(attributes);
      sums.set(key, { value: (sums.get(key)?.value ?? 0) + value, attributes });
    });
  for (const { value, attributes } of sums.values()) result.observe(value, attributes);
}

/** Collects when it is asked, and writes the text that Prometheus reads. */
class TextReader extends MetricReader {
  readonly #serializer = new PrometheusSerializer('', false, undefined, false, true);

  constructor() {
    super({
      // A cumulative gauge keeps for ever what was observed once: the former status of a check beside its present one.
      aggregationTemporalitySelector: (type) =>
        type === InstrumentType.OBSERVABLE_GAUGE ? AggregationTemporality.DELTA : AggregationTemporality.CUMULATIVE,
    });
  }

  async render(): Promise<string> {
    const { resourceMetrics } = await this.collect({ timeoutMillis: collectMs });
    return this.#serializer.serialize(withUnits(resourceMetrics));
  }

  protected override async onShutdown(): Promise<void> {}
  protected override async onForceFlush(): Promise<void> {}
}

const prometheusNames = new Map<string, string>(
  Object.values(names).map((metric) => [metric.name, toPrometheusName(metric)]),
);

function withUnits({ resource, scopeMetrics }: ResourceMetrics): ResourceMetrics {
  return {
    resource,
    scopeMetrics: scopeMetrics.map(({ scope, metrics }) => ({
      scope,
      metrics: metrics
        .filter(({ dataPoints }) => dataPoints.length > 0)
        .map((metric) => {
          const { descriptor } = metric;
          // The name has the unit; as a comment it would be in another spelling than Prometheus' own.
          const name = prometheusNames.get(descriptor.name) ?? descriptor.name;
          return { ...metric, descriptor: { ...descriptor, name, unit: '' } };
        }),
    })),
  };
}
