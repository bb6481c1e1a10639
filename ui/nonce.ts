declare global {
  // Libraries that make style elements look for a nonce under this name.
  var __webpack_nonce__: string | undefined;
}

/** The nonce of this page's Content-Security-Policy, which every style element made by a script must carry. */
export function readStyleNonce(): string {
  return document.querySelector<HTMLMetaElement>('meta[name="style-nonce"]')?.content ?? '';
}

/** Gives the nonce to the libraries that Mantine does not configure. Call it before the first render. */
export function announceStyleNonce(): void {
  globalThis.__webpack_nonce__ = readStyleNonce();
}
