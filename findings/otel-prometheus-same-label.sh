#!/bin/sh
# Guess: two attributes of which the keys become one label (`a.b` and `a_b`) are shown as one label, with one of the values or with both joined, as
#   OpenTelemetry's rules for Prometheus ask.
# Behaviour of @opentelemetry/exporter-prometheus 0.301.0: it writes the label twice. Prometheus refuses the whole page for that ("duplicate label
#   names"), so that every other metric of the process is lost too.
# Used for: http/metrics/names.ts, whose list of keys a test compares.
#
# Needs npm and Node 22.15 or newer.
# Output seen: c_total{a_b="1",a_b="2"} 1
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
provider.getMeter('t').createCounter('c').add(1, { 'a.b': '1', a_b: '2' });
const { resourceMetrics } = await reader.collect();
const text = new PrometheusSerializer('', false, undefined, true, true).serialize(resourceMetrics);
console.log(text);
process.exitCode = text.includes('c_total{a_b="1",a_b="2"} 1') ? 0 : 1;
JS
node look.mjs
