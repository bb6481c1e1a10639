/*
 * Gives the password of a login that is a managed identity: DB_PASSWORD_MODULE=deploy/azure/databasetoken.mjs, and DB_USER is the name of the
 * identity in the database. Azure Container Apps and App Service set IDENTITY_ENDPOINT and IDENTITY_HEADER; AZURE_CLIENT_ID names a
 * user-assigned identity. The database looks at the token when a connection is opened, and not again.
 */
const resource = 'https://ossrdbms-aad.database.windows.net';
/** A token is asked for again so long before it ends. */
const spareMs = 5 * 60_000;
const answerMs = 5_000;

/** @type {{ token: string; endsAt: number } | undefined} */
let kept;

/** @returns {Promise<string>} an access token for Azure Database for PostgreSQL */
export default async function databaseToken() {
  if (kept && kept.endsAt - spareMs > Date.now()) return kept.token;
  const { IDENTITY_ENDPOINT, IDENTITY_HEADER, AZURE_CLIENT_ID } = process.env;
  if (!IDENTITY_ENDPOINT || !IDENTITY_HEADER)
    throw new Error('IDENTITY_ENDPOINT and IDENTITY_HEADER are not set: this process has no managed identity.');
  const url = new URL(IDENTITY_ENDPOINT);
  url.searchParams.set('resource', resource);
  url.searchParams.set('api-version', '2019-08-01');
  if (AZURE_CLIENT_ID) url.searchParams.set('client_id', AZURE_CLIENT_ID);
  const answer = await fetch(url, {
    headers: { 'X-IDENTITY-HEADER': IDENTITY_HEADER },
    signal: AbortSignal.timeout(answerMs),
  });
  if (!answer.ok) throw new Error(`The managed identity gave no token: ${answer.status}.`);
  const { access_token: token, expires_on: endsAt } = await answer.json();
  kept = { token, endsAt: Number(endsAt) * 1_000 };
  return token;
}
