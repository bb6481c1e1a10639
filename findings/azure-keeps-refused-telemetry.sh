#!/bin/sh
# Guess: telemetry that cannot be delivered stays in memory, unless a folder was given to keep it (storageDirectory).
# Behaviour of @azure/monitor-opentelemetry-exporter 1.0.0-beta.47: it is written to the temporary folder as plain JSON, with its attributes, for days.
#   `disableOfflineStorage: true` drops it instead.
# Used for: http/metrics/azure.ts.
#
# Needs npm and Node 22.15 or newer.
# Output seen: "by default: kept as text" and "disableOfflineStorage: nothing kept".
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm install --silent --no-audit --no-fund --ignore-scripts --prefix "$folder" \
  @azure/monitor-opentelemetry-exporter@1.0.0-beta.47 @opentelemetry/api@1.10.0 @opentelemetry/sdk-metrics@3.1.0
cat > look.mjs <<'JS'
import { mkdtempSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { AzureMonitorMetricExporter } from '@azure/monitor-opentelemetry-exporter';
import { MeterProvider, PeriodicExportingMetricReader } from '@opentelemetry/sdk-metrics';
process.env.APPLICATION_INSIGHTS_NO_STATSBEAT = 'true';
// Nothing listens there, as when the network is down.
const endpoint = 'https://127.0.0.1:1';
async function look(options) {
  const folder = mkdtempSync(join(process.cwd(), 'tmp-'));
  process.env.TMPDIR = folder;
  const exporter = new AzureMonitorMetricExporter({
    connectionString: `InstrumentationKey=0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0;IngestionEndpoint=${endpoint}`,
    retryOptions: { maxRetries: 0 },
    ...options,
  });
  const provider = new MeterProvider({ readers: [new PeriodicExportingMetricReader({ exporter })] });
  provider.getMeter('t').createCounter('c').add(1, { who: 'ada@example.com' });
  await provider.forceFlush().catch(() => {});
  const files = readdirSync(folder, { recursive: true }).map((file) => join(folder, file)).filter((file) => statSync(file).isFile());
  return files.some((file) => readFileSync(file, 'utf8').includes('ada@example.com')) ? 'kept as text' : 'nothing kept';
}
const byDefault = await look({});
const disabled = await look({ disableOfflineStorage: true });
console.log(`by default: ${byDefault}`);
console.log(`disableOfflineStorage: ${disabled}`);
process.exit(byDefault === 'kept as text' && disabled === 'nothing kept' ? 0 : 1);
JS
node look.mjs
