import { type App as AppName, ConfigurationError } from '@aether/platform';
import { type Listening, readListening, readPort, type Variables } from './listening.ts';

/** Where people reach the apps of this house, for links from one to another. */
export type Neighbours = { foundation?: string; support?: string; console?: string };

export type ServerSettings = {
  /** <APP>_PUBLIC_URL, if people reach this server under another name than this machine's. */
  publicUrl: URL | undefined;
  listening: Listening;
  /** The other apps whose <APP>_PUBLIC_URL is set. */
  neighbours: Neighbours;
  /** How many streams of events are open at once in this process, and of one person or machine. */
  streamsMax: number;
  streamsPerPersonMax: number;
  /** How long the process says at its end that it is closing, while it answers. */
  closeAfterMs: number;
};

/**
 * Reads what the server of an app needs beside its database. Pure.
 *
 * @param options.ownProcess whether PORT and LISTEN_HOST are meant for it; otherwise it shares a process and its environment.
 * @throws ConfigurationError naming the variable.
 */
export function readServerSettings(
  app: AppName,
  variables: Variables,
  { ownProcess }: { ownProcess: boolean },
): ServerSettings {
  const name = app.toUpperCase();
  const publicUrl = readPublicUrl(`${name}_PUBLIC_URL`, variables);
  return {
    publicUrl,
    listening: ownProcess
      ? readListening(app, variables, publicUrl)
      : { port: readPort(`${name}_PORT`, variables), host: '127.0.0.1' },
    neighbours: readNeighbours(app, variables),
    streamsMax: readNumber('STREAMS_MAX', variables, 500, 1, 100_000),
    streamsPerPersonMax: readNumber('STREAMS_PER_PERSON_MAX', variables, 30, 1, 100_000),
    closeAfterMs: readNumber('CLOSE_AFTER_MS', variables, 0, 0, 600_000),
  };
}

function readPublicUrl(setting: string, variables: Variables): URL | undefined {
  const given = variables[setting];
  if (!given) return undefined;
  const url = URL.canParse(given) ? new URL(given) : undefined;
  if (!url || !/^https?:$/.test(url.protocol) || url.href !== `${url.origin}/`)
    throw new ConfigurationError(`${setting} must be an address without a path, such as https://crm.example.com.`);
  return url;
}

/** @throws ConfigurationError */
function readNeighbours(own: AppName, variables: Variables): Neighbours {
  const others = (['foundation', 'support', 'console'] as const).filter((app) => app !== own);
  return Object.fromEntries(
    others.flatMap((app) => {
      const url = readPublicUrl(`${app.toUpperCase()}_PUBLIC_URL`, variables);
      return url ? [[app, url.origin]] : [];
    }),
  );
}

function readNumber(setting: string, variables: Variables, byDefault: number, min: number, max: number): number {
  const number = Number(variables[setting] || byDefault);
  if (Number.isInteger(number) && number >= min && number <= max) return number;
  throw new ConfigurationError(`${setting} must be a whole number from ${min} to ${max}.`);
}
