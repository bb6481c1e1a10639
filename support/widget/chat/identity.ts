/**
 * A number for the person of a host page's token, so that the storage of the page can tell two people apart and names neither. The
 * server checks the token; here it is only read.
 *
 * @returns 0 for a text that is no token.
 */
export function whoIs(token: string): number {
  try {
    const { sub = '', email = '' } = JSON.parse(
      atob((token.split('.')[1] ?? '').replace(/-/g, '+').replace(/_/g, '/')),
    );
    let hash = 7;
    for (const character of `${sub} ${String(email).toLowerCase()}`)
      hash = (Math.imul(hash, 31) + (character.codePointAt(0) ?? 0)) | 0;
    return hash;
  } catch {
    return 0;
  }
}
