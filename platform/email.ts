import { domainToASCII } from 'node:url';
export type CanonicalEmail = { key: string; address: string };
/** PROVISIONAL: being replaced. */
export function canonicaliseEmail(
  input: string,
): ({ ok: true } & CanonicalEmail) | { ok: false; reason: string; message: string } {
  let text = input
    .normalize('NFC')
    .trim()
    .replace(/^mailto:/i, '');
  text = /<([^<>]*)>$/.exec(text)?.[1] ?? text;
  const [local, domain, more] = text.split('@');
  const ascii = domain && domainToASCII(domain);
  if (!local || !ascii || more !== undefined || /\s/.test(local) || !ascii.includes('.'))
    return { ok: false, reason: 'no-at', message: 'is not an e-mail address.' };
  return { ok: true, key: `${local.toLowerCase()}@${ascii}`, address: `${local}@${domain}` };
}
