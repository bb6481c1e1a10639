/*
 * Addresses of the browser for what a customer is reached by: whoever clicks writes an e-mail or makes a call with what their device has for it.
 */

/** Pure. */
export const mailTo = (email: string): string => `mailto:${encodeURIComponent(email).replaceAll('%40', '@')}`;

/** `+49 30 1234567 ext. 12` → `tel:+49301234567;ext=12` (RFC 3966). A number without a country is dialled as it is. Pure. */
export function callTo(phone: string): string {
  const [, number = '', extension] = /^([^a-z#;]*)(?:[a-z#;][^\d]*(\d+))?/i.exec(phone.trim()) ?? [];
  const dialled = number.replaceAll(/[^\d+]/g, '');
  return `tel:${dialled}${extension ? `;ext=${extension}` : ''}`;
}
