declare global {
  // The name under which the libraries that make style elements look for a nonce.
  var __webpack_nonce__: string | undefined;
}

/** The nonce of this page's Content-Security-Policy, which every style element made by a script must carry. */
export function readStyleNonce(): string {
  return document.querySelector<HTMLMetaElement>('meta[name="style-nonce"]')?.content ?? '';
}

/** Tells the nonce to the libraries that are not asked through Mantine. Call it before the first render. */
export function announceStyleNonce(): void {
  globalThis.__webpack_nonce__ = readStyleNonce();
}
