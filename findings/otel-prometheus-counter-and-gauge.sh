#!/bin/sh
# Guess: if a counter `things` (shown as `things_total`) and a gauge `things_total` of another meter meet under one name, one of them is shown.
# Behaviour of @opentelemetry/exporter-prometheus 0.301.0: neither is. The only word about it is a diagnostic, which goes nowhere unless a
#   diagnostic logger was set.
# Used for: http/metrics/names.ts, whose names in Prometheus a test compares.
#
# Needs npm and Node 22.15 or newer.
# Output seen: "# no registered metrics"
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm install --silent --no-audit --no-fund --ignore-scripts --prefix "$folder" \
  @opentelemetry/api@1.10.0 @opentelemetry/sdk-metrics@3.1.0 @opentelemetry/exporter-prometheus@0.301.0
cat > look.mjs <<'JS'
import { PrometheusSerializer } from '@opentelemetry/exporter-prometheus';
import { MeterProvider, MetricReader } from '@opentelemetry/sdk-metrics';
class Reader extends MetricReader {
  async onShutdown() {}
  async onForceFlush() {}
}
const reader = new Reader();
const provider = new MeterProvider({ readers: [reader] });
provider.getMeter('one').createCounter('things').add(1);
provider.getMeter('two').createGauge('things_total').record(5);
const { resourceMetrics } = await reader.collect();
const text = new PrometheusSerializer('', false, undefined, true, true).serialize(resourceMetrics);
console.log(text);
process.exitCode = text.includes('no registered metrics') && !/^things/m.test(text) ? 0 : 1;
JS
node look.mjs
