/**
 * Whether an e-mail address is only a placeholder. A customer whose only address somebody else proved has such an address (platform.no_address
 * in the database), and so has a person of whom the identity provider gives none. Nothing is ever delivered to it.
 */
export const isNoAddress = (email: string): boolean => email.toLowerCase().endsWith('@unknown.invalid');

/** What a list of addresses shows in the place of a placeholder. */
export const noAddressInFull = 'No address is known: somebody else proved the former one.';

/** An e-mail address as a person reads it: "no address" if it is a placeholder. */
export const showAddress = (email: string): string => (isNoAddress(email) ? 'no address' : email);
