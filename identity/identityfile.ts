import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { exportJWK, generateKeyPair, type JWK } from 'jose';

/** What the local provider must keep, so that after a restart its tokens are good and everybody is who they were. */
export type Identity = {
  keys: JWK[];
  cookieKeys: string[];
  /** Makes subjects differ from app to app in a way that nobody can work out. */
  salt: string;
  secrets: { foundation: string; support: string; cli: string };
};

/** Reads `identity.json` in the folder, or makes it: keys and secrets that only its owner may read. */
export async function keepIdentity(folder: string): Promise<Identity> {
  const path = join(folder, 'identity.json');
  if (existsSync(path)) return parseIdentity(path);
  const { privateKey } = await generateKeyPair('RS256', { extractable: true });
  const secret = () => randomBytes(32).toString('base64url');
  const identity: Identity = {
    keys: [{ ...(await exportJWK(privateKey)), alg: 'RS256', use: 'sig', kid: randomBytes(8).toString('hex') }],
    cookieKeys: [secret()],
    salt: secret(),
    secrets: { foundation: secret(), support: secret(), cli: secret() },
  };
  mkdirSync(folder, { recursive: true });
  // Whole or not at all: half a file would lock everybody out.
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
