import { AzureMonitorMetricExporter } from '@azure/monitor-opentelemetry-exporter';
import {
  AggregationTemporality,
  type IMetricReader,
  type InstrumentType,
  PeriodicExportingMetricReader,
  type PushMetricExporter,
} from '@opentelemetry/sdk-metrics';
import type { Log } from '../serving/log.ts';

const exportEveryMs = 60_000;
const exportTimeoutMs = 10_000;
const repeatWarningMs = 600_000;
/** ExportResultCode.SUCCESS of OpenTelemetry. */
const succeeded = 0;
const instrumentationKey = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/**
 * The connection string of Application Insights as its client reads it rightly. The client throws for an instrumentation key in capitals,
 * and gives up the string for a semicolon at its end: then what it says by EndpointSuffix is lost, and everything goes to the global
 * endpoint, maybe in another region. Pure.
 *
 * @throws Error that says what is wrong, without the string.
 */
export function cleanConnectionString(given: string): string {
  const parts = given
    .split(';')
    .map((part) => part.trim())
    .filter(Boolean)
    .map((part) => {
      const at = part.indexOf('=');
      return [part.slice(0, Math.max(at, 0)).trim(), part.slice(at + 1).trim()] as const;
    });
  const findValue = (name: string) => parts.find(([key]) => key.toLowerCase() === name.toLowerCase())?.[1];
  if (parts.some(([key, value]) => !key || !value || value.includes('=')))
    throw new Error('A part of the connection string is not of the form Name=value.');
  const key = findValue('InstrumentationKey')?.toLowerCase();
  if (!key || !instrumentationKey.test(key)) throw new Error('The connection string has no valid InstrumentationKey.');
  const endpoint = findValue('IngestionEndpoint');
  const isEndpoint = endpoint !== undefined && URL.canParse(endpoint) && new URL(endpoint).protocol === 'https:';
  if (endpoint === undefined ? !findValue('EndpointSuffix') : !isEndpoint)
    throw new Error('The connection string has no EndpointSuffix, and no IngestionEndpoint that begins with https://.');
  return parts
    .map(([name, value]) => `${name}=${name.toLowerCase() === 'instrumentationkey' ? value.toLowerCase() : value}`)
    .join(';');
}

/**
 * What every exporter of Azure gets. What cannot be sent is dropped: the client would keep it as plain text in the temporary folder.
 *
 * @throws Error that says what is wrong, without the string.
 */
export function azureOptions(connectionString: string) {
  // Its own statistics go to Microsoft; they are no part of what was asked for.
  process.env.APPLICATION_INSIGHTS_NO_STATSBEAT ??= 'true';
  return {
    connectionString: cleanConnectionString(connectionString),
    disableOfflineStorage: true,
    retryOptions: { maxRetries: 1 },
  };
}

/** Sends the metrics to Azure Monitor once a minute, and when the process ends. */
export function createAzureReader(connectionString: string, log: Pick<Log, 'warn'>): IMetricReader {
  const exporter = new AzureMonitorMetricExporter(azureOptions(connectionString));
  return new PeriodicExportingMetricReader({
    // Made for SDK 2, whose exporters have the same interface: a test sends a series to an endpoint of its own.
    exporter: Object.assign(tellingFailures(exporter, 'metrics', log), {
      selectAggregationTemporality: (type: InstrumentType) =>
        exporter.selectAggregationTemporality(type) ?? AggregationTemporality.CUMULATIVE,
    }) as unknown as PushMetricExporter,
    exportIntervalMillis: exportEveryMs,
    exportTimeoutMillis: exportTimeoutMs,
  });
}

type Result = { code: number; error?: Error };
type Exporter<Batch> = {
  export(batch: Batch, done: (result: Result) => void): unknown;
  forceFlush?(): Promise<void>;
  shutdown(): Promise<void>;
};

/** The SDK tells nobody that something was not sent. The exporter of spans also answers twice: only the first answer counts. */
export function tellingFailures<Batch>(exporter: Exporter<Batch>, what: string, log: Pick<Log, 'warn'>) {
  let toldAt = Number.NEGATIVE_INFINITY;
  return {
    export(batch: Batch, done: (result: Result) => void): void {
      let isAnswered = false;
      exporter.export(batch, (result) => {
        if (isAnswered) return;
        isAnswered = true;
        if (result.code !== succeeded && performance.now() - toldAt > repeatWarningMs) {
          toldAt = performance.now();
          log.warn({ err: result.error }, `${what} did not reach Azure; they are dropped`);
        }
        done(result);
      });
    },
    forceFlush: async () => exporter.forceFlush?.(),
    shutdown: () => exporter.shutdown(),
  };
}
