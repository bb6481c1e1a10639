import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { exportJWK, generateKeyPair, SignJWT } from 'jose';

const audience = 'api://aether-bench';

/** An issuer for the benches. The servers verify its tokens like all others, and nobody has to sign in. */
export async function startIssuer(tenant: string) {
  const { publicKey, privateKey } = await generateKeyPair('ES256');
  const jwk = { ...(await exportJWK(publicKey)), kid: 'bench', alg: 'ES256', use: 'sig' };
  const server = createServer(({ url: path }, response) => {
    const discovery = {
      issuer: url,
      jwks_uri: `${url}/jwks`,
      token_endpoint: `${url}/token`,
      authorization_endpoint: `${url}/auth`,
    };
    response
      .writeHead(200, { 'Content-Type': 'application/json' })
      .end(JSON.stringify(path === '/jwks' ? { keys: [jwk] } : discovery));
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    /** The settings with which a server accepts these tokens. */
    variables: {
      SIGNIN_ISSUER: url,
      SIGNIN_CLIENT_ID: 'bench',
      SIGNIN_CLIENT_SECRET: 'bench',
      SIGNIN_AUDIENCE: audience,
    },
    tokenFor: (user: string): Promise<string> =>
      new SignJWT({
        sub: user,
        iss: url,
        aud: audience,
        scp: 'access_as_user',
        tid: tenant,
        oid: user,
        name: user,
        email: `${user}@aether.example`,
      })
        .setProtectedHeader({ alg: 'ES256', kid: 'bench', typ: 'at+jwt' })
        .setIssuedAt()
        .setExpirationTime('1h')
        .sign(privateKey),
    close(): void {
      server.closeAllConnections();
      server.close();
    },
  };
}
