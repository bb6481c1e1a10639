import { ConfigurationError } from '@aether/platform';

export type Variables = Record<string, string | undefined>;

export type FileSettings = {
  /** Of one file. */
  bytesMax: number;
  /** Of all files of this app. */
  totalBytesMax: number;
  /** Undefined: files are kept in the database. */
  azure: AzureSettings | undefined;
};

export type AzureSettings = {
  container: string;
  /** With a key, for an account without managed identities, or the emulator. */
  connectionString?: string;
  /** https://ACCOUNT.blob.core.windows.net, for the identity that the process runs with. */
  accountUrl?: string;
};

const mebibyte = 1_048_576;

/**
 * FILES_SIZE_MAX_MB (10), FILES_TOTAL_MAX_MB (20,480), and for blobs FILES_AZURE_ACCOUNT_URL or FILES_AZURE_CONNECTION_STRING with
 * FILES_AZURE_CONTAINER (aether-files). Pure.
 *
 * @throws ConfigurationError naming the setting
 */
export function readFileSettings(variables: Variables): FileSettings {
  const read = (name: string, fallback: number, max: number) => {
    const value = Number(variables[name] || fallback);
    if (!Number.isInteger(value) || value < 1 || value > max)
      throw new ConfigurationError(`${name} must be a whole number of megabytes from 1 to ${max}.`);
    return value * mebibyte;
  };
  return {
    bytesMax: read('FILES_SIZE_MAX_MB', 10, 100),
    totalBytesMax: read('FILES_TOTAL_MAX_MB', 20_480, 1_000_000_000),
    azure: readAzureSettings(variables),
  };
}

function readAzureSettings(variables: Variables): AzureSettings | undefined {
  const connectionString = variables.FILES_AZURE_CONNECTION_STRING || undefined;
  const accountUrl = variables.FILES_AZURE_ACCOUNT_URL || undefined;
  const container = variables.FILES_AZURE_CONTAINER || 'aether-files';
  if (!connectionString && !accountUrl) return undefined;
  if (connectionString && accountUrl)
    throw new ConfigurationError(
      'Set FILES_AZURE_ACCOUNT_URL or FILES_AZURE_CONNECTION_STRING, not both: they may name different accounts.',
    );
  if (accountUrl && !/^https:\/\/[^/]+\/?$/.test(accountUrl))
    throw new ConfigurationError(
      'FILES_AZURE_ACCOUNT_URL must be the address of a storage account, such as https://example.blob.core.windows.net.',
    );
  if (!/^[a-z0-9](?:-?[a-z0-9]){2,62}$/.test(container))
    throw new ConfigurationError(
      'FILES_AZURE_CONTAINER must be 3 to 63 small letters, digits and single hyphens between them.',
    );
  return { container, ...(connectionString && { connectionString }), ...(accountUrl && { accountUrl }) };
}
