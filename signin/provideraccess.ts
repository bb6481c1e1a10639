import { askServer, Problem } from '@aether/http';
import { createRemoteJWKSet, customFetch, type JWTVerifyGetKey } from 'jose';
import * as oidc from 'openid-client';
import type { SignInSettings } from './settings.ts';
import { rememberTokens, type VerifiedTokens } from './verifiedtokens.ts';

/** The data of the identity provider, fetched when it is first needed. */
export type ProviderAccess = {
  /** Its addresses and our client. @throws Problem 503 if it does not answer */
  configuration(): Promise<oidc.Configuration>;
  /** Its name in tokens, and the keys with which it signs. @throws Problem 503 if it does not answer */
  signature(): Promise<Signature>;
  /** Where it gives tokens, if it has been asked already. */
  tokenUrl(): string | undefined;
  /** Reads its keys again now. @throws if it does not answer */
  readKeys(): Promise<void>;
};

export type Signature = {
  issuer: string;
  keys: JWTVerifyGetKey & { reload(): Promise<void> };
  /** The tokens that were verified with them lately. */
  verified: VerifiedTokens;
};

const timeoutMs = 5_000;
/** A token with an unknown key makes us fetch the keys again, but not more often than this. */
const keysCooldownMs = 30_000;
/** A provider may change its addresses, so they are fetched again after this. */
const metadataMaxMs = 3_600_000;

/** Calls the provider when it is first needed, not at start, so that the app starts even if the provider is down. */
export function accessProvider({ issuer, clientId, clientSecret }: SignInSettings): ProviderAccess {
  let known: { at: number; configuration: Promise<oidc.Configuration> } | undefined;
  let signature: ({ of: oidc.Configuration; uri: string } & Signature) | undefined;

  function discover(): Promise<oidc.Configuration> {
    const authentication = clientSecret ? oidc.ClientSecretPost(clientSecret) : oidc.None();
    return oidc.discovery(issuer, clientId, undefined, authentication, {
      timeout: timeoutMs / 1_000,
      [oidc.customFetch]: askServer,
      // Only a provider on this machine has an http address: see readIssuer.
      ...(issuer.protocol === 'http:' && { execute: [oidc.allowInsecureRequests] }),
    });
  }

  async function configuration(): Promise<oidc.Configuration> {
    const before = known;
    if (!before || Date.now() - before.at > metadataMaxMs) {
      const asked = { at: Date.now(), configuration: discover() };
      known = asked;
      asked.configuration.catch(() => {
        if (known === asked) known = before;
      });
    }
    return (known as NonNullable<typeof known>).configuration.catch((cause) => {
      throw refuseUnreachable(cause);
    });
  }

  async function readSignature(): Promise<Signature> {
    const of = await configuration();
    if (signature?.of === of) return signature; // the configuration gives a copy of its metadata at each call
    const { issuer: name, jwks_uri: uri } = of.serverMetadata();
    if (!uri) throw refuseUnreachable(new Error('the provider names no jwks_uri'));
    const options = { cooldownDuration: keysCooldownMs, timeoutDuration: timeoutMs, [customFetch]: askServer };
    const keys = signature?.uri === uri ? signature.keys : createRemoteJWKSet(new URL(uri), options);
    signature = { of, uri, issuer: name, keys, verified: rememberTokens() };
    return signature;
  }

  return {
    configuration,
    tokenUrl: () => signature?.of.serverMetadata().token_endpoint,
    signature: readSignature,
    async readKeys() {
      await (await readSignature()).keys.reload();
    },
  };
}

/** 503: it is not the caller's fault, and another sign-in would not help. */
export function refuseUnreachable(cause: unknown): Problem {
  const problem = new Problem({
    status: 503,
    code: 'identity-provider-unavailable',
    detail: 'The identity provider cannot be asked at the moment. Try again shortly.',
    headers: { 'Retry-After': '5' },
  });
  problem.cause = cause;
  return problem;
}
