import { createHmac, randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { exportJWK, generateKeyPair, type JWK } from 'jose';

/**
 * The data that the local provider keeps, so that its tokens stay valid and people keep their subjects after a restart.
 */
export type Identity = {
  keys: JWK[];
  cookieKeys: string[];
  /** Makes subjects differ from app to app in a way that nobody can compute. */
  salt: string;
  /** Of the command. Those of the apps are made of it: see `secretOf`. */
  secrets: { cli: string };
};

/** The secret of an app's own client. */
export const secretOf = ({ secrets }: Identity, app: string): string =>
  createHmac('sha256', secrets.cli).update(app).digest('base64url');

/** Reads `identity.json` in the folder, or makes it. It holds keys and secrets, so only its owner may read it. */
export async function keepIdentity(folder: string): Promise<Identity> {
  const path = join(folder, 'identity.json');
  if (existsSync(path)) return parseIdentity(path);
  const { privateKey } = await generateKeyPair('RS256', { extractable: true });
  const secret = () => randomBytes(32).toString('base64url');
  const identity: Identity = {
    keys: [{ ...(await exportJWK(privateKey)), alg: 'RS256', use: 'sig', kid: randomBytes(8).toString('hex') }],
    cookieKeys: [secret()],
    salt: secret(),
    secrets: { cli: secret() },
  };
  mkdirSync(folder, { recursive: true });
  // The file is written whole or not at all: half a file would lock everybody out.
  const draft = `${path}.${process.pid}`;
  writeFileSync(draft, `${JSON.stringify(identity, undefined, 2)}\n`, { mode: 0o600 });
  renameSync(draft, path);
  return identity;
}

function parseIdentity(path: string): Identity {
  try {
    const identity = JSON.parse(readFileSync(path, 'utf8'));
    if (!Array.isArray(identity?.keys) || !identity.secrets || !identity.salt)
      throw new Error('it lacks keys, salt or secrets');
    return identity;
  } catch (error) {
    throw new Error(
      `${path} is damaged (${error instanceof Error ? error.message : error}): restore it, or remove it, after which everybody signs in again.`,
      { cause: error },
    );
  }
}
