import { ConfigurationError } from '@aether/platform';
import { isLoopbackListener } from '../loopback.ts';

export type MetricsSettings = {
  /** A port of its own for `/metrics`; undefined: none. */
  port: number | undefined;
  host: string;
  /** What readers must send: `Authorization: Bearer …`. With it, the port of the app has `/metrics` too. */
  token: string | undefined;
  /** The connection string of Application Insights. */
  azure: string | undefined;
  /** Of a hundred traces so many are sent to Application Insights. */
  tracesPercent: number;
};

const tokenLengthMin = 16;

/**
 * Reads where metrics go. Pure. METRICS_PORT opens `/metrics` at a port of its own, on this machine unless METRICS_HOST says otherwise;
 * METRICS_TOKEN opens it at the port of the app, for those who send that token; APPLICATIONINSIGHTS_CONNECTION_STRING sends metrics to Azure,
 * and TRACES_PERCENT of all traces.
 *
 * @returns undefined if no metrics are asked for.
 * @throws ConfigurationError naming the variable.
 */
export function readMetricsSettings(variables: Record<string, string | undefined>): MetricsSettings | undefined {
  const token = variables.METRICS_TOKEN || undefined;
  const azure = variables.APPLICATIONINSIGHTS_CONNECTION_STRING?.trim() || undefined;
  const host = variables.METRICS_HOST || '127.0.0.1';
  const port = variables.METRICS_PORT ? Number(variables.METRICS_PORT) : undefined;
  if (port !== undefined && !(Number.isInteger(port) && port >= 0 && port <= 65_535))
    throw new ConfigurationError('METRICS_PORT must be a port number from 0 to 65535.');
  if (token !== undefined && (token.length < tokenLengthMin || !/^[\x21-\x7e]+$/.test(token)))
    throw new ConfigurationError(`METRICS_TOKEN must have at least ${tokenLengthMin} characters, without spaces.`);
  if (variables.METRICS_HOST && port === undefined)
    throw new ConfigurationError('METRICS_HOST says where METRICS_PORT listens, and METRICS_PORT is not set.');
  if (!token && !isLoopbackListener(host))
    throw new ConfigurationError(
      `METRICS_HOST is ${host}, which other machines can reach: set METRICS_TOKEN too, or listen on 127.0.0.1.`,
    );
  const tracesPercent = Number(variables.TRACES_PERCENT || 100);
  if (!(tracesPercent >= 0 && tracesPercent <= 100))
    throw new ConfigurationError('TRACES_PERCENT must be a number from 0 to 100.');
  if (port === undefined && !token && !azure) return undefined;
  return { port, host, token, azure, tracesPercent };
}
