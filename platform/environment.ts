import { ConfigurationError } from './log/errors.ts';
import { readSettings, type Settings } from './log/settings.ts';
import { isPhoneCountry } from './phone.ts';

/** The name of an app, a row of platform.apps: `foundation`, `support`, `console`. connectPlatform refuses an unknown name. */
export type App = string;

/** The settings with which an app reaches the platform database. */
export type Environment = Settings & {
  /** The app's own schema: where PostgreSQL looks up unqualified names first. */
  schema: string;
  /** The country of telephone numbers without +, such as DE. If it is undefined, such numbers are refused. */
  phoneCountry: string | undefined;
};

/** The setting that names an app's schema. */
export const schemaSetting = (app: App): string => `PLATFORM_DB_SCHEMA_${app.toUpperCase()}`;
/** The schemas of apps whose schema does not have the app's name; the setting overrides both. */
const ownSchemas: Record<App, string> = { foundation: 'crm', console: 'sync' };

/**
 * Reads the settings with which an app reaches the platform database: those of `readSettings`; PLATFORM_DB_SCHEMA_<APP>, such as
 * PLATFORM_DB_SCHEMA_FOUNDATION; and PLATFORM_PHONE_COUNTRY, the country of telephone numbers that are written without one. Pure.
 *
 * @throws ConfigurationError naming the variable.
 */
export function readEnvironment(app: App, variables: Record<string, string | undefined>): Environment {
  const settings = readSettings(variables);
  if (!/^[a-z][a-z0-9_]{1,31}$/.test(app))
    throw new ConfigurationError(
      `${JSON.stringify(app)} is not the name of an app: use lower-case letters, digits and _.`,
    );
  const schema = variables[schemaSetting(app)] ?? ownSchemas[app] ?? app;
  if (!/^[a-z_][a-z0-9_]*$/.test(schema))
    throw new ConfigurationError(
      `${schemaSetting(app)} is not the name of a schema: use lower-case letters, digits and _.`,
    );
  const phoneCountry = variables.PLATFORM_PHONE_COUNTRY || undefined;
  if (phoneCountry !== undefined && !isPhoneCountry(phoneCountry))
    throw new ConfigurationError('PLATFORM_PHONE_COUNTRY must be the two capital letters of a country, such as DE.');
  return { ...settings, schema, phoneCountry };
}
