import { startFoundation } from '@aether/foundation';
import { createLog } from '@aether/http';
import { startSupport } from '@aether/support';
import { startConsole } from '@aether/sync/console';
import { describeCommand } from './command.ts';
import { describeEvents, readCapturedTables } from './events.ts';
import { describeHttp, type OpenApi } from './http.ts';
import { describePackages } from './packages.ts';
import { describeSettings } from './settings.ts';
import type { ReferencePage } from './text.ts';

/*
 * The part of the documents that is made from the code, so that it cannot say anything else: what the servers, the command, the packages and the database
 * of this version are asked for, and say of themselves.
 */

/** A migrated database, which is asked and not changed. */
export type Database = {
  url(login: 'foundation_app' | 'support_app' | 'console_app'): string;
  query: Parameters<typeof readCapturedTables>[0]['query'];
};

/** Told of each setting that a server asks for. */
type OnSetting = (app: keyof typeof apps, name: string) => void;

const apps = { foundation: startFoundation, support: startSupport, console: startConsole };

/** @throws ConfigurationError, DatabaseUnavailable */
export async function readReference(database: Database, onSetting: OnSetting = () => {}): Promise<ReferencePage[]> {
  const [tables, documents] = await Promise.all([readCapturedTables(database), readDocuments(database, onSetting)]);
  return [
    describeCommand(),
    describeSettings(),
    ...Object.entries(documents).map(([app, document]) => describeHttp(app, document)),
    describeEvents(tables, documents.foundation),
    ...describePackages(),
  ];
}

/** The OpenAPI documents that the servers give out. */
async function readDocuments(database: Database, onSetting: OnSetting): Promise<Record<keyof typeof apps, OpenApi>> {
  const log = createLog('reference');
  log.level = 'silent';
  const read = async (app: keyof typeof apps) => {
    const given: Record<string, string> = {
      PLATFORM_DB_URL: database.url(`${app}_app`),
      PLATFORM_DB_POOL_MAX: '2',
      SIGNIN_ISSUER: 'https://login.example.com',
      SIGNIN_CLIENT_ID: 'reference',
    };
    const variables = new Proxy(given, {
      get(target, name: string) {
        onSetting(app, name);
        return target[name];
      },
    });
    const server = await apps[app]({ variables, port: 0, log, withoutSubscriptions: true });
    try {
      return [app, await (await fetch(`${server.url}/openapi.json`)).json()] as const;
    } finally {
      await server.close();
    }
  };
  const found = await Promise.all((Object.keys(apps) as (keyof typeof apps)[]).map(read));
  return Object.fromEntries(found) as Record<keyof typeof apps, OpenApi>;
}
