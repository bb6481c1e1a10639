import { ConfigurationError } from './log/errors.ts';
import { readSettings, type Settings } from './log/settings.ts';

export type App = 'foundation' | 'support';

/** How an app reaches the platform database. */
export type Environment = Settings & {
  /** The app's own schema: where unqualified names are looked up first. */
  schema: string;
};

const schemaSettings = { foundation: 'PLATFORM_DB_SCHEMA_FOUNDATION', support: 'PLATFORM_DB_SCHEMA_SUPPORT' } as const;
const ownSchemas = { foundation: 'crm', support: 'support' } as const;

/**
 * Reads how an app reaches the platform database: what `readSettings` reads, and PLATFORM_DB_SCHEMA_FOUNDATION or
 * PLATFORM_DB_SCHEMA_SUPPORT. Pure.
 *
 * @throws ConfigurationError naming the variable.
 */
export function readEnvironment(app: App, variables: Record<string, string | undefined>): Environment {
  const settings = readSettings(variables);
  const schema = variables[schemaSettings[app]] ?? ownSchemas[app];
  if (!/^[a-z_][a-z0-9_]*$/.test(schema))
    throw new ConfigurationError(
      `${schemaSettings[app]} is not the name of a schema: use lower-case letters, digits and _.`,
    );
  return { ...settings, schema };
}
