#!/bin/sh
# Guess: an observable gauge shows what its callback observes at this collection: a set of attributes that is observed no more is gone.
# Behaviour of @opentelemetry/sdk-metrics 3.1.0: a cumulative reader, which is the default, shows it for ever with its last value. With delta
#   temporality for observable gauges it is gone at once.
# Seen here: a check that had turned from ok to parked was both.
# Used for: http/metrics/provider.ts (TextReader).
#
# Needs npm and Node 22.15 or newer.
# Output seen: "cumulative: ok=1 parked=1" and "delta: parked=1".
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm install --silent --no-audit --no-fund --ignore-scripts --prefix "$folder" \
  @opentelemetry/api@1.10.0 @opentelemetry/sdk-metrics@3.1.0
cat > look.mjs <<'JS'
import { AggregationTemporality, MeterProvider, MetricReader } from '@opentelemetry/sdk-metrics';
class Reader extends MetricReader {
  async onShutdown() {}
  async onForceFlush() {}
}
async function look(temporality) {
  const reader = new Reader({ aggregationTemporalitySelector: () => temporality });
  const provider = new MeterProvider({ readers: [reader] });
  let status = 'ok';
  const gauge = provider.getMeter('t').createObservableGauge('state');
  gauge.addCallback((result) => result.observe(1, { status }));
  await reader.collect();
  status = 'parked';
  const { resourceMetrics } = await reader.collect();
  const points = resourceMetrics.scopeMetrics[0].metrics[0].dataPoints;
  return points.map(({ attributes, value }) => `${attributes.status}=${value}`).sort().join(' ');
}
const cumulative = await look(AggregationTemporality.CUMULATIVE);
const delta = await look(AggregationTemporality.DELTA);
console.log(`cumulative: ${cumulative}`);
console.log(`delta: ${delta}`);
process.exitCode = cumulative === 'ok=1 parked=1' && delta === 'parked=1' ? 0 : 1;
JS
node look.mjs
