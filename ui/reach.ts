/*
 * Addresses of the browser for what a customer is reached by: whoever clicks writes an e-mail or makes a call with what their device has for it.
 */

/** Pure. */
export const mailTo = (email: string): string => `mailto:${encodeURIComponent(email).replaceAll('%40', '@')}`;

/**
 * `tel:+49301234567;ext=12` (RFC 3966). Pure.
 *
 * @param key the number in E.164, as the server has read it: what was written may have a zero that is not dialled, `+49 (0)30`, or no country.
 */
export const callTo = (key: string, extension: string | null): string =>
  `tel:${key}${extension ? `;ext=${encodeURIComponent(extension)}` : ''}`;
