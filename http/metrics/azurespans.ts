import { randomBytes } from 'node:crypto';
import { AzureMonitorTraceExporter } from '@azure/monitor-opentelemetry-exporter';
import { ROOT_CONTEXT, SpanKind, SpanStatusCode, TraceFlags, trace } from '@opentelemetry/api';
import { resourceFromAttributes } from '@opentelemetry/resources';
import { AlwaysOnSampler, BatchSpanProcessor, type SpanExporter, TracerProvider } from '@opentelemetry/sdk-trace';
import packageJson from '../package.json' with { type: 'json' };
import type { Log } from '../serving/log.ts';
import { azureOptions, tellingFailures } from './azure.ts';
import { boundLabels } from './labels.ts';
import { type EndedSpan, isSampled, type Spans, spanLabels } from './spans.ts';
import { within } from './within.ts';

const closeMs = 3_000;
const exportTimeoutMs = 10_000;
const sendEveryMs = 5_000;
/** What waits to be sent; more in five seconds is dropped, so that a rush costs neither memory nor money without end. */
const waitingMax = 2_048;

const kinds: Record<EndedSpan['kind'], SpanKind> = {
  server: SpanKind.SERVER,
  client: SpanKind.CLIENT,
  consumer: SpanKind.CONSUMER,
};

/** Sends spans to Azure Monitor. @throws Error that says what is wrong with the connection string, without the string */
export function openAzureSpans(
  name: string,
  { connection, percent }: { connection: string; percent: number },
  log: Pick<Log, 'warn'>,
): Spans {
  const exporter = tellingFailures(new AzureMonitorTraceExporter(azureOptions(connection)), 'spans', log);
  // The ids are those that the house has given: see spans.ts. A span begins and ends in one call, so that no other one comes between.
  const next = { trace: '', span: '' };
  const provider = new TracerProvider({
    resource: resourceFromAttributes({ 'service.name': name, 'service.version': packageJson.version }),
    idGenerator: { generateTraceId: () => next.trace, generateSpanId: () => next.span },
    sampler: new AlwaysOnSampler(),
    spanProcessors: [
      new BatchSpanProcessor({
        exporter: exporter as unknown as SpanExporter,
        maxQueueSize: waitingMax,
        scheduledDelayMillis: sendEveryMs,
        exportTimeoutMillis: exportTimeoutMs,
      }),
    ],
  });
  const tracer = provider.getTracer('aether');
  const bound = boundLabels();

  return {
    record({ kind, name: nameOf, own, parent, startedAt, ms, hasFailed, labels: given }) {
      const traceparent = own ?? parent;
      if (traceparent === undefined || !isSampled(traceparent, percent)) return;
      const keys = spanLabels.filter((key) => given[key] !== undefined && given[key] !== '');
      const labels = bound({ labels: keys }, given);
      const spanName = nameOf(labels);
      next.trace = traceparent.slice(3, 35);
      next.span = own?.slice(36, 52) ?? randomBytes(8).toString('hex');
      const above = parent && {
        traceId: next.trace,
        spanId: parent.slice(36, 52),
        traceFlags: TraceFlags.SAMPLED,
        isRemote: kind !== 'client',
      };
      const span = tracer.startSpan(
        spanName,
        {
          kind: kinds[kind],
          startTime: startedAt,
          attributes: {
            ...labels,
            // Azure's exporter leaves out what OpenTelemetry calls error.type.
            ...(labels['error.type'] && { 'aether.error.type': labels['error.type'] }),
            ...(kind === 'client' && { 'db.system.name': 'postgresql' }),
            // Without it Azure shows the request of a consumer without a name.
            ...(kind === 'consumer' && { 'ai.operation.name': spanName }),
            // Azure counts each span for as many as it stands for.
            ...(percent < 100 && { '_MS.sampleRate': percent }),
          },
        },
        above ? trace.setSpanContext(ROOT_CONTEXT, above) : ROOT_CONTEXT,
      );
      if (hasFailed) span.setStatus({ code: SpanStatusCode.ERROR });
      else if (kind !== 'server') span.setStatus({ code: SpanStatusCode.OK });
      span.end(startedAt + ms);
    },
    close: () => within(closeMs, provider.shutdown()),
  };
}
