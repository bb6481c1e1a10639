#!/bin/sh
# Guess: a semicolon at the end of a connection string changes nothing, and an instrumentation key may be written in capitals: it is a UUID.
# Behaviour of @azure/monitor-opentelemetry-exporter 1.0.0-beta.47: with EndpointSuffix and a semicolon at the end, the endpoint is the global one
#   instead of the one that the string names, without an error. A key in capitals throws in the constructor.
# Used for: http/metrics/azure.ts (cleanConnectionString).
#
# Needs npm and Node 22.15 or newer.
# Output seen: "without: https://dc.ai.example", "with: https://dc.services.visualstudio.com" and "capitals: refused".
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm install --silent --no-audit --no-fund --ignore-scripts --prefix "$folder" \
  @azure/monitor-opentelemetry-exporter@1.0.0-beta.47
cat > look.mjs <<'JS'
import { AzureMonitorMetricExporter } from '@azure/monitor-opentelemetry-exporter';
process.env.APPLICATION_INSIGHTS_NO_STATSBEAT = 'true';
const key = '0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0';
function look(connectionString) {
  try {
    return new AzureMonitorMetricExporter({ connectionString, disableOfflineStorage: true }).endpointUrl;
  } catch {
    return 'refused';
  }
}
const without = look(`InstrumentationKey=${key};EndpointSuffix=ai.example`);
const withIt = look(`InstrumentationKey=${key};EndpointSuffix=ai.example;`);
const capitals = look(`InstrumentationKey=${key.toUpperCase()};EndpointSuffix=ai.example`);
console.log(`without: ${without}`);
console.log(`with: ${withIt}`);
console.log(`capitals: ${capitals}`);
const isAsSeen =
  without === 'https://dc.ai.example' && withIt === 'https://dc.services.visualstudio.com' && capitals === 'refused';
process.exit(isAsSeen ? 0 : 1);
JS
node look.mjs
