import { readFileSettings, type Variables } from './settings.ts';
import type { Store } from './store.ts';

/** What reads files that are kept in Azure. */
export type Blobs = Pick<Store, 'read'>;

/** The blobs of an account, if the settings name one. Its library is loaded only then. @throws ConfigurationError */
export async function openBlobs(variables: Variables): Promise<Store | undefined> {
  const { azure } = readFileSettings(variables);
  return azure && (await import('./azure.ts')).openAzureStore(azure);
}
