import { domainToASCII, domainToUnicode } from 'node:url';

export type CanonicalEmail = {
  /** Equal for all spellings of one address: at most 254 bytes; `email_key` in the database. */
  key: string;
  /** The form that people see: cleaned, the local part as it was typed, the domain in lower case. At most 254 bytes. */
  address: string;
};

/** The reasons why a text cannot mean a mailbox, each with the end of a sentence that starts with "The address". */
export const emailRefusals = {
  empty: 'must not be empty',
  'too-long': 'may have at most 254 bytes, 64 of them before the @',
  'malformed-text': 'must be valid Unicode text',
  'control-character': 'must not contain control characters',
  space: 'must not contain spaces',
  several: 'must be one address, not several',
  'no-at': 'must contain an @ between name and domain',
  quoted: 'must not have a quoted name or a comment before the @',
  percent: 'must not contain %',
  local: 'must have letters, digits and single dots between them before the @',
  'ip-address': 'must have a domain after the @, not an IP address',
  domain: 'must have a domain such as example.com after the @',
} as const;
export type EmailRefusal = keyof typeof emailRefusals;

type Result = ({ ok: true } & CanonicalEmail) | { ok: false; reason: EmailRefusal; message: string };

const inputCharactersMax = 1_000;
const addressBytesMax = 254;
const localBytesMax = 64;
const domainBytesMax = 253;

/** Zero-width characters, marks of direction, soft hyphens, variation selectors: two addresses that look alike must be one. */
const invisible = /[\p{Default_Ignorable_Code_Point}\p{Cf}]/gu;
const invisibleButJoiners = /(?![\u200c\u200d])[\p{Default_Ignorable_Code_Point}\p{Cf}]/gu;
// The lookbehind keeps this linear: a run of spaces in the middle is tried once, not from each of its spaces.
const ends = /^[\p{Z}\p{Cc}]+|(?<![\p{Z}\p{Cc}])[\p{Z}\p{Cc}]+$/gu;
const domainPattern = /^(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+(?:[a-z][a-z0-9-]{0,61}[a-z0-9])$/;

// The plain form that most addresses have. It saves a lookup more than two of its twenty microseconds. There is no flag u, because with
// it the Kelvin sign would match k.
const plainAddress = /^([a-z0-9_+'-]+(?:\.[a-z0-9_+'-]+)*)@((?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]{2,63})$/i;

/**
 * The canonical form of an address as people type, paste and copy it. Pure; never throws; canonicalising a key or an address
 * again changes nothing.
 *
 * Plus-tags, dots and domains that look alike stay apart: only a person can decide whether they belong to one person.
 */
export function canonicaliseEmail(input: string): Result {
  if (typeof input !== 'string') return refuse('malformed-text'); // the caller may be code that no compiler has checked
  if (input.length > inputCharactersMax) return refuse('too-long');
  return canonicalisePlain(input) ?? canonicaliseAny(input);
}

/** The same result as canonicaliseAny for plain addresses; undefined for all others. */
function canonicalisePlain(input: string): Result | undefined {
  const at = input.indexOf('@');
  if (at > localBytesMax || input.length > addressBytesMax || !plainAddress.test(input)) return undefined;
  const key = input.toLowerCase();
  if (key.includes('xn--', at)) return undefined;
  return { ok: true, key, address: input.slice(0, at) + key.slice(at) };
}

/** Exported only for the tests, which compare both paths. */
export function canonicaliseAny(input: string): Result {
  if (!input.isWellFormed()) return refuse('malformed-text');
  const cleaned = clean(input, invisible);
  if (/\p{Cc}/u.test(cleaned)) return refuse('control-character');
  const text = unwrap(cleaned);
  if (text === undefined) return refuse('several');
  if (text === '') return refuse('empty');
  if (text.includes('%')) return refuse('percent');

  const parts = splitAtSigns(text);
  const [local = '', bareDomain = ''] = parts;
  if (parts.length > 2) return refuse(/[,;]/.test(text) ? 'several' : 'no-at');
  if (parts.length < 2 || local === '' || bareDomain === '') return refuse('no-at');

  const reason = refuseLocal(local) ?? refuseDomain(bareDomain);
  if (reason) return refuse(reason);
  const domain = findJoinedDomain(input, bareDomain) ?? bareDomain;
  const ascii = toAsciiDomain(domain);
  if (!ascii) return refuse(/^[\d.]+$|^0x/i.test(domain) ? 'ip-address' : 'domain');

  const key = `${foldLocal(local)}@${ascii}`;
  const address = `${local}@${toShownDomain(domain, ascii, addressBytesMax - Buffer.byteLength(local) - 1)}`;
  if (Buffer.byteLength(key) > addressBytesMax || Buffer.byteLength(address) > addressBytesMax)
    return refuse('too-long');
  return { ok: true, key, address };
}

/**
 * The canonical form of a domain as people type and paste it, as it is in the key of an address: lower case, in ASCII as
 * UTS-46 maps it, without a last dot. Pure; never throws.
 *
 * @returns undefined if it is no domain (an IP address is none) or has more than 253 bytes.
 */
export function canonicaliseDomain(input: string): string | undefined {
  if (typeof input !== 'string' || input.length > inputCharactersMax || !input.isWellFormed()) return undefined;
  const bare = clean(input, invisible);
  if (/\p{Cc}/u.test(bare) || refuseDomain(bare)) return undefined;
  const joined = clean(input, invisibleButJoiners);
  const ascii = (joined === bare ? undefined : toAsciiDomain(joined)) ?? toAsciiDomain(bare);
  return ascii && ascii.length <= domainBytesMax ? ascii : undefined;
}

function refuse(reason: EmailRefusal): Result {
  return { ok: false, reason, message: emailRefusals[reason] };
}

function clean(input: string, hidden: RegExp): string {
  return input.replace(hidden, '').normalize('NFC').replace(ends, '');
}

function splitAtSigns(text: string): string[] {
  return text.replaceAll('＠', '@').split('@');
}

/** `"Doe, Ann" <ann@example.com>` and `mailto:ann@example.com?subject=…` → ann@example.com; undefined if the text means several addresses. */
function unwrap(text: string): string | undefined {
  let inner = text;
  if (text.endsWith('>')) {
    const open = text.lastIndexOf('<');
    const displayName = text.slice(0, Math.max(open, 0)).replace(/"[^"]*"/g, '');
    if (open < 0 || /[@＠,;<>]/.test(displayName)) return undefined;
    inner = text.slice(open + 1, -1);
  }
  if (/^\s*mailto:/i.test(inner)) inner = inner.replace(/^\s*mailto:/i, '').replace(/\?.*$/s, '');
  return inner.replace(ends, '');
}

function refuseLocal(local: string): EmailRefusal | undefined {
  if (/["()]/.test(local)) return 'quoted';
  if (/[,;]/.test(local)) return 'several';
  if (/\p{Z}/u.test(local)) return 'space';
  // Characters without a meaning yet may get a lower case later, and then one mailbox would have two keys.
  if (/[<>[\]:\\]|[\p{Co}\p{Cn}]/u.test(local) || /^\.|\.\.|\.$/.test(local)) return 'local';
  // The rest of mailto://, or a mark that would combine with the character in front of the address.
  if (/^\/\/|^\p{M}/u.test(local)) return 'local';
  if (Math.max(Buffer.byteLength(local), Buffer.byteLength(foldLocal(local))) > localBytesMax) return 'too-long';
  return undefined;
}

/** toAsciiDomain decides what a domain is. This refuses texts that a URL parser would take for something else. */
function refuseDomain(domain: string): EmailRefusal | undefined {
  if (/[,;]/.test(domain)) return 'several';
  if (/\p{Z}/u.test(domain)) return 'space';
  if (domain.startsWith('[')) return 'ip-address';
  // Ports, paths and underscores are ASCII; a character that only maps to one of those is refused by the mapping.
  return /[^a-zA-Z0-9.\-\u0080-\u{10ffff}]/u.test(domain) ? 'domain' : undefined;
}

/**
 * The domain with its joiners, where they shape the letters beside them, as in Persian and Sinhala: there a domain with them and one
 * without them are two domains. Anywhere else UTS-46 refuses joiners, and they are as invisible as the others.
 */
function findJoinedDomain(input: string, bareDomain: string): string | undefined {
  if (!/[\u200c\u200d]/.test(input)) return undefined;
  const joined = splitAtSigns(unwrap(clean(input, invisibleButJoiners)) ?? '')[1] ?? '';
  return clean(joined, invisible) === bareDomain && toAsciiDomain(joined) ? joined : undefined;
}

/** Lower case that does not depend on the place of a letter in a word: the Greek final sigma is a sigma. */
function foldLocal(local: string): string {
  return local.toLowerCase().replaceAll('ς', 'σ').normalize('NFC');
}

/** The domain in ASCII as UTS-46 maps it; undefined if it is no domain, or an IP address in disguise (0x7f.1, 2130706433). */
function toAsciiDomain(domain: string): string | undefined {
  const ascii = domainToASCII(domain.replace(/[.。．｡]$/, ''));
  if (!domainPattern.test(ascii)) return undefined;
  // UTS-46 passes ASCII text without a check, also punycode that means nothing.
  const unicode = domainToUnicode(ascii);
  return /(^|\.)xn--/.test(unicode) || domainToASCII(unicode) !== ascii ? undefined : ascii;
}

/** A domain that was typed beyond ASCII is shown beyond ASCII, unless that is too long or has another ASCII form. */
function toShownDomain(domain: string, ascii: string, bytesMax: number): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: all of ASCII is meant.
  if (/^[\x00-\x7f]*$/.test(domain)) return ascii;
  const shown = domainToUnicode(ascii).normalize('NFC');
  return Buffer.byteLength(shown) <= bytesMax && toAsciiDomain(shown) === ascii ? shown : ascii;
}
