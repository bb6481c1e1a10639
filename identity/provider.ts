import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import { isLoopbackHost } from '@aether/http';
import type { App } from '@aether/platform';
import { keepIdentity, secretOf } from './identityfile.ts';
import { grantPersona } from './personagrant.ts';
import { answerChoice, type Persona } from './personas.ts';
import { audienceOf, describeProvider, type LocalApp, personaGrant } from './providersettings.ts';

export { fetchLocalToken } from './personagrant.ts';
export { localTenantId, type Persona } from './personas.ts';
export type { LocalApp } from './providersettings.ts';

const portsTriedMax = 50;

export type LocalProvider = {
  issuer: string;
  /** The requested port, if it was taken. */
  portTaken: number | undefined;
  /** The settings with which this app signs people in at this provider. */
  settingsOf(app: App): Record<string, string>;
  close(): Promise<void>;
};

/**
 * An identity provider for this machine: full OpenID Connect, with ready personas and without passwords. It listens on
 * loopback only. Subjects differ from app to app, so that code that finds a person by the subject already fails here.
 *
 * @param apps the apps that sign people in here; the first of them is the one for which a token is by default.
 * @param folder holds keys and secrets, so that tokens stay valid after a restart on the same port.
 */
export async function startLocalProvider({
  folder,
  personas,
  apps,
  port = 4400,
}: {
  folder: string;
  personas: readonly Persona[];
  apps: readonly LocalApp[];
  port?: number;
}): Promise<LocalProvider> {
  const identity = await keepIdentity(folder);
  const server = createServer();
  const bound = await listen(server, port);
  const issuer = `http://127.0.0.1:${bound}`;
  const provider = await quietly(async () => {
    const library = await withPlainLists(() => import('oidc-provider'));
    const made = new library.default(issuer, describeProvider(library, identity, personas, apps));
    made.registerGrantType(personaGrant, grantPersona(library, issuer, identity, personas, apps), [
      'persona',
      'app',
      'scp',
    ]);
    return made;
  });
  const answer = provider.callback();
  server.on('request', async (request, response) => {
    // Loopback only: a browser that knows 127.0.0.1 by another name (DNS rebinding) is refused.
    if (!isLoopbackHost(request.headers.host ?? '')) {
      response.writeHead(403, { 'Content-Type': 'text/plain' }).end('Call it http://127.0.0.1.\n');
      return;
    }
    try {
      if (!(await answerChoice(provider, personas, request, response))) await answer(request, response);
    } catch {
      if (!response.headersSent) response.writeHead(500, { 'Content-Type': 'text/plain' });
      response.end('The local identity provider failed. Begin the sign-in again.\n');
    }
  });
  return {
    issuer,
    portTaken: bound === port || port === 0 ? undefined : port,
    settingsOf: (app) => ({
      SIGNIN_ISSUER: issuer,
      SIGNIN_CLIENT_ID: app,
      SIGNIN_CLIENT_SECRET: secretOf(identity, app),
      SIGNIN_AUDIENCE: audienceOf(app),
    }),
    async close() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}

async function listen(server: Server, asked: number): Promise<number> {
  for (let port = asked; ; port += 1) {
    try {
      server.listen(port, '127.0.0.1');
      await once(server, 'listening');
      return (server.address() as { port: number }).port;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EADDRINUSE' || port >= asked + portsTriedMax) throw error;
    }
  }
}

/** Hides the library's warnings, which are for services: that it does not know this Node, for example. */
async function quietly<T>(work: () => Promise<T>): Promise<T> {
  const { warn } = console;
  console.warn = (...words) => {
    if (!String(words[0]).includes('oidc-provider WARNING')) warn(...words);
  };
  try {
    return await work();
  } finally {
    console.warn = warn;
  }
}

/**
 * The library makes two formats for lists in its messages as soon as it is loaded. Intl reads the data of all languages for that, which stays:
 * 6 MB. So while it is loaded, lists are in plain English.
 */
async function withPlainLists<T>(load: () => Promise<T>): Promise<T> {
  Object.assign(Intl, { ListFormat: PlainList });
  try {
    return await load();
  } finally {
    Object.assign(Intl, { ListFormat });
  }
}

/** Kept here, because two providers may be started at once. */
const { ListFormat } = Intl;

class PlainList {
  #word: string;

  constructor(_locale: string, { type }: Intl.ListFormatOptions) {
    this.#word = type === 'disjunction' ? 'or' : 'and';
  }

  format(items: Iterable<string>): string {
    const all = [...items];
    const last = all.pop() ?? '';
    return all.length === 0 ? last : `${all.join(', ')}${all.length > 1 ? ',' : ''} ${this.#word} ${last}`;
  }
}
