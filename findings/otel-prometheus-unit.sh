#!/bin/sh
# Guess: an instrument `x.duration` with the unit `s` is shown as `x_duration_seconds`, as behind a collector and in Prometheus' own OTLP receiver.
# Behaviour of @opentelemetry/exporter-prometheus 0.301.0: it adds `_total` to counters and no unit to any name; the unit is a comment only. So
#   the same instrument has two names, and a dashboard fits one of the two routes.
# Used for: http/metrics/names.ts (toPrometheusName) and provider.ts, which renames before it writes.
#
# Needs npm and Node 22.15 or newer.
# Output seen: "# TYPE x_duration histogram", and no x_duration_seconds.
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
provider.getMeter('t').createHistogram('x.duration', { unit: 's' }).record(1);
const { resourceMetrics } = await reader.collect();
const text = new PrometheusSerializer('', false, undefined, true, true).serialize(resourceMetrics);
console.log(text);
process.exitCode = /^# TYPE x_duration histogram$/m.test(text) && !text.includes('x_duration_seconds') ? 0 : 1;
JS
node look.mjs
