import { requireAddress } from '@aether/platform/log';

/** @throws ConfigurationError if no connection could use the address; it names the setting */
export function requireDatabaseUrl(setting: string, url: string): string {
  requireAddress(setting, url);
  return url;
}
