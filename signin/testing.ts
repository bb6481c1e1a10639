import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text as readText } from 'node:stream/consumers';
import { atEnd } from '@aether/database/testing';
import { type CryptoKey, exportJWK, generateKeyPair, type JWTPayload, SignJWT } from 'jose';

/** The directory of every test. The object id of a user is the name that the test uses. */
export const testTenant = 'test-tenant';
export const testAudience = 'api://aether-test';

export type TestIssuer = {
  url: string;
  key: CryptoKey;
  /** The settings with which a server accepts this issuer's tokens. */
  variables: Record<string, string>;
  /**
   * An access token of this user, or of a machine for `service`. A machine's token allows nothing unless the claims
   * name roles.
   */
  tokenFor(who: string, claims?: JWTPayload): Promise<string>;
  /** The scopes for which a client has fetched tokens for itself, one entry for each token. */
  grants(): string[];
  /** From now on the issuer refuses tokens for clients, or gives them again. */
  refuse(isRefusing: boolean): void;
};

/**
 * An issuer with a key, its JWKS and client credentials, on a free port until the test file is done. A server verifies
 * its tokens like all others, and no person has to sign in.
 */
export async function startTestIssuer(): Promise<TestIssuer> {
  const { publicKey, privateKey } = await generateKeyPair('ES256');
  const jwk = { ...(await exportJWK(publicKey)), kid: 'test', alg: 'ES256', use: 'sig' };
  const granted: string[] = [];
  let isRefusing = false;
  let url = '';

  async function tokenFor(who: string, claims: JWTPayload = {}): Promise<string> {
    const described =
      who === 'service'
        ? { idtyp: 'app' }
        : { scp: 'access_as_user', tid: testTenant, oid: who, name: who, email: `${who}@aether.example` };
    return new SignJWT({ sub: who, iss: url, aud: testAudience, ...described, ...claims })
      .setProtectedHeader({ alg: 'ES256', kid: 'test', typ: 'at+jwt' })
      .setIssuedAt()
      .setExpirationTime('10m')
      .sign(privateKey);
  }

  const server = createServer(async (request, response) => {
    const answer = (status: number, body: object) =>
      response.writeHead(status, { 'Content-Type': 'application/json' }).end(JSON.stringify(body));
    if (request.url === '/.well-known/openid-configuration')
      return answer(200, {
        issuer: url,
        jwks_uri: `${url}/jwks`,
        token_endpoint: `${url}/token`,
        authorization_endpoint: `${url}/auth`,
      });
    if (request.url === '/jwks') return answer(200, { keys: [jwk] });
    if (request.url !== '/token') return answer(404, {});
    const scope = new URLSearchParams(await readText(request)).get('scope') ?? '';
    granted.push(scope);
    if (isRefusing) return answer(401, { error: 'invalid_client' });
    const access_token = await tokenFor('service', { roles: scope.split(' ') });
    return answer(200, { access_token, token_type: 'Bearer', expires_in: 600 });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  atEnd(async () => {
    server.closeAllConnections();
    server.close();
  });
  return {
    url,
    key: privateKey,
    variables: {
      SIGNIN_ISSUER: url,
      SIGNIN_CLIENT_ID: 'test-app',
      SIGNIN_CLIENT_SECRET: 'test-secret',
      SIGNIN_AUDIENCE: testAudience,
    },
    tokenFor,
    grants: () => granted,
    refuse(now) {
      isRefusing = now;
    },
  };
}

/** A token is good for ten minutes; signing one for each call costs as much as the rest of a small one. */
const keepTokensMs = 240_000;

type Call = (
  method: string,
  path: string,
  body?: Record<string, unknown>,
  headers?: Record<string, string>,
) => Promise<Answer>;
// biome-ignore lint/suspicious/noExplicitAny: a test says what it expects of the body.
type Answer = { status: number; headers: Headers; body: any };

export type SignedCalls = {
  /** Calls as the user `maya`. */
  call: Call;
  /** Calls as this user; `service` is a machine without any scope. */
  callAs(who: string): Call;
  /** Calls as a machine whose token has only these scopes. */
  callWith(...scopes: string[]): Call;
  /** Calls without a token. */
  callAnonymously: Call;
  /** The Authorization header of this user. */
  headersOf(who: string): Promise<{ Authorization: string }>;
};

/** Calls a server with an access token, otherwise like `callerOf` of `@aether/http/testing`. */
export function signCalls(issuer: TestIssuer, callAnonymously: Call): SignedCalls {
  const kept = new Map<string, { token: Promise<string>; at: number }>();
  const bearer = async (who: string, claims?: JWTPayload): Promise<{ Authorization: string }> => {
    const key = JSON.stringify([who, claims]);
    let one = kept.get(key);
    if (!one || performance.now() - one.at > keepTokensMs) {
      one = { token: issuer.tokenFor(who, claims), at: performance.now() };
      kept.set(key, one);
    }
    return { Authorization: `Bearer ${await one.token}` };
  };
  const headersOf = (who: string) => bearer(who);
  const callAs =
    (who: string): Call =>
    async (method, path, body, headers) =>
      callAnonymously(method, path, body, { ...(await headersOf(who)), ...headers });
  const callWith =
    (...scopes: string[]): Call =>
    async (method, path, body, headers) => {
      return callAnonymously(method, path, body, { ...(await bearer('service', { roles: scopes })), ...headers });
    };
  return { call: callAs('maya'), callAs, callWith, callAnonymously, headersOf };
}
