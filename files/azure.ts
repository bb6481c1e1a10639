import { Readable } from 'node:stream';
import { DefaultAzureCredential } from '@azure/identity';
import { BlobServiceClient, type ContainerClient, RestError } from '@azure/storage-blob';
import type { AzureSettings } from './settings.ts';
import { chunkBytes, keepWithinMs, type Store, type Variant } from './store.ts';

const answerWithinMs = 30_000;
const retries = { maxTries: 3, tryTimeoutInMs: 20_000, maxRetryDelayInMs: 4_000 };

/**
 * The bytes as blobs of a container: ID/whole and ID/thumbnail. Nobody reads them from the account: the apps give them out, after they have
 * decided who may. The container is made if it is not there and the process may make one.
 */
export function openAzureStore({ container, connectionString, accountUrl }: AzureSettings): Store {
  const options = { retryOptions: retries };
  const service = connectionString
    ? BlobServiceClient.fromConnectionString(connectionString, options)
    : new BlobServiceClient(accountUrl as string, new DefaultAzureCredential(), options);
  const client = service.getContainerClient(container);
  const blobOf = (id: string, variant: Variant) => client.getBlockBlobClient(`${id}/${variant}`);
  let isThere: Promise<void> | undefined;

  return {
    place: 'azure',
    async keep(id, variant, parts) {
      isThere ??= makeContainer(client);
      await isThere.catch((error) => {
        isThere = undefined;
        throw error;
      });
      await blobOf(id, variant).uploadStream(Readable.from(parts, { objectMode: false }), chunkBytes, 2, {
        abortSignal: AbortSignal.timeout(keepWithinMs),
        blobHTTPHeaders: { blobContentType: 'application/octet-stream' },
      });
    },
    async *read(id, variant) {
      try {
        const { readableStreamBody: body } = await blobOf(id, variant).download(0, undefined, {
          abortSignal: AbortSignal.timeout(5 * keepWithinMs),
        });
        for await (const part of body ?? []) yield part as Buffer;
      } catch (error) {
        if (!(error instanceof RestError && error.statusCode === 404)) throw error;
      }
    },
    async remove(id) {
      const abortSignal = AbortSignal.timeout(answerWithinMs);
      for (const variant of ['whole', 'thumbnail'] as const) await blobOf(id, variant).deleteIfExists({ abortSignal });
    },
  };
}

async function makeContainer(client: ContainerClient): Promise<void> {
  try {
    await client.createIfNotExists({ abortSignal: AbortSignal.timeout(answerWithinMs) });
  } catch (error) {
    // It may write blobs and make no containers: then the operator has made this one.
    if (!(error instanceof RestError && error.statusCode === 403)) throw error;
  }
}
