import { createHash } from 'node:crypto';
import type { Address, Attachment, Email } from 'postal-mime';
import { textOfHtml } from './html.ts';

/*
 * Reads a mail that came in: who wrote it, which of our mails it answers, whether a person wrote it, and what they said without what they quote.
 * Pure, and made for hostile input: what a mail says of itself is a claim.
 */

/** The first line of each of our mails. What a reader's program quotes begins with it, in every language. */
export const markerLine = '##- Please write your answer above this line -##';

export type Read = {
  /** SHA-256 of the Message-ID, or of the whole if there is none. */
  key: Buffer;
  messageId: string | undefined;
  from: string | undefined;
  subject: string | undefined;
  /** Tokens of the addresses it was sent to, then of the mails it refers to, the nearest first. */
  tokens: string[];
  kind: 'person' | 'automatic' | 'bounce';
  /** Of a bounce. */
  bounce: { isHard: boolean; code: string; tokens: string[] } | undefined;
  /** The tokens in its own Message-ID: it may be one of our mails that came back. Other programs make such ids as well, so only the queue knows. */
  ownTokens: string[];
  /** What was said, without what is quoted. */
  said: string;
  /** All of its text. */
  text: string;
  /** The first of its attachments. */
  attachments: { name: string; type: string; bytes: number }[];
  attachmentCount: number;
  /** What may become a file, if it was asked for: without a signature of the whole, which is of no use beside it. */
  files: MailFile[];
  /** Keys of the mails that it refers to, the nearest first. */
  refersTo: Buffer[];
  /** The name beside the address of its sender. */
  fromName: string | undefined;
  /** A person may have written it to us of their own accord: no program, no list, no report, nothing that was found to be unwanted. */
  mayOpen: boolean;
  /** What our own mail server found of its sender's domain (DMARC); undefined if it says nothing, or none is trusted. */
  vouched: 'pass' | 'fail' | undefined;
};

export type MailFile = { name: string; isInText: boolean; bytes: Uint8Array };

const tokenPattern = /[0-9a-f]{32}/;
const idPattern = /<([0-9a-f]{32})@[^\s<>@]{1,255}>/g;
const addressMax = 254;
const subjectMax = 500;
/** The part of a mail in which a report says what it is about. */
const reportBytesMax = 262_144;
/** So many attachments are named; so many of them are looked at as files. */
const attachmentsMax = 100;
const filesMax = 40;
const referencesMax = 20;

export type ReadOptions = {
  replyTo?: string | undefined;
  recipient?: string | undefined;
  authserv?: string | undefined;
  withFiles?: boolean;
};

/**
 * @param replyTo the pattern of the address for answers, if it has `{token}`.
 * @param recipient whom the mail server gave it to, if it said so.
 * @param authserv by what name our own mail server says what it found; undefined: none is trusted.
 */
export async function readMail(
  raw: Uint8Array,
  { replyTo, recipient, authserv, withFiles = false }: ReadOptions = {},
): Promise<Read> {
  const { default: PostalMime } = await import('postal-mime'); // loaded only here: most processes read no mail
  const email = await PostalMime.parse(raw, {
    rfc822Attachments: true,
    maxNestingDepth: 30,
    maxHeadersSize: 262_144,
  });
  const header = (name: string) => email.headers.filter(({ key }) => key === name).map(({ value }) => value);
  const bytes = Buffer.from(raw.buffer, raw.byteOffset, raw.byteLength);
  const bounce = readBounce(email, bytes);
  const to = [
    recipient ?? '',
    ...['to', 'cc', 'delivered-to', 'x-original-to', 'envelope-to', 'x-forwarded-to'].flatMap(header),
  ];
  const named = [...header('in-reply-to'), ...header('references').reverse().flatMap(reverseIds)];
  // Some programs leave the part of text empty, and write in HTML only.
  const text = (email.text?.trim() ? email.text : textOfHtml(email.html ?? '')).replaceAll('\r\n', '\n');
  const messageId = email.messageId?.trim();
  const kind = bounce ? 'bounce' : isAutomatic(header) ? 'automatic' : 'person';
  const from = addressOf(email.from ?? email.sender);
  return {
    key: /[^\s<>]{3}/.test(messageId ?? '') ? keyOf(messageId as string) : keyOf(bytes),
    messageId: /^<[\x21-\x7e]{3,396}>$/.test(messageId ?? '') ? messageId : undefined,
    from,
    subject: oneLine(email.subject, subjectMax),
    tokens: unique([...tokensIn(to, replyTo), ...named.flatMap(idsOf)]),
    kind,
    bounce,
    ownTokens: idsOf(header('message-id').join(' ')),
    said: cutQuoted(text),
    text,
    attachments: email.attachments.slice(0, attachmentsMax).map((attachment) => ({
      name: nameOf(attachment),
      type: attachment.mimeType,
      bytes: bytesOf(attachment).length,
    })),
    attachmentCount: email.attachments.length,
    files: withFiles ? listFiles(email) : [],
    refersTo: unique(named.flatMap(reverseIds)).slice(0, referencesMax).map(keyOf),
    fromName: oneLine(email.from?.name, 200),
    mayOpen: kind === 'person' && from !== undefined && isWanted(header, from),
    vouched: readVouched(header('authentication-results')[0], from, authserv),
  };
}

/** Of a Message-ID, or of a whole mail that has none. */
const keyOf = (of: string | Uint8Array): Buffer => createHash('sha256').update(of).digest();

function nameOf({ filename, mimeType }: Attachment): string {
  const unnamed = mimeType.startsWith('image/')
    ? 'image'
    : mimeType === 'message/rfc822'
      ? 'a forwarded mail'
      : 'attachment';
  return oneLine(filename ?? '', 200) ?? unnamed;
}

const bytesOf = ({ content }: Attachment): Uint8Array =>
  typeof content === 'string' ? Buffer.from(content) : new Uint8Array(content);

/** The parts that may become files. What the text shows in its place is said to be there: by its HTML, or by the structure of the mail. */
function listFiles({ attachments, html = '' }: Email): MailFile[] {
  return attachments
    .filter(({ mimeType }) => !/^application\/(x-)?(pkcs7|pgp)-signature$/.test(mimeType))
    .slice(0, filesMax)
    .map((attachment) => {
      const { contentId, related } = attachment;
      const id = contentId?.replace(/^<|>$/g, '');
      const isInText = id !== undefined && (related === true || html.includes(`cid:${id}`));
      return { name: nameOf(attachment), isInText, bytes: bytesOf(attachment) };
    });
}

const automaticSenders = /^(no[-._]?reply|do[-._]?not[-._]?reply|mailer-daemon|postmaster|bounces?)([-+._=].*)?@/i;

/** Not from an address that takes no answer, not found to be junk, and with a way back. */
function isWanted(header: (name: string) => string[], from: string): boolean {
  if (automaticSenders.test(from)) return false;
  if (header('return-path').some((value) => /^\s*<\s*>/.test(value))) return false;
  return !['x-spam-flag', 'x-spam-status'].some((name) => header(name).some((value) => /^\s*yes\b/i.test(value)));
}

const resultMax = 8_192;

/** Only the topmost result counts, and only if our own server wrote it: whoever sent the mail may have written the others. */
function readVouched(
  result: string | undefined,
  from: string | undefined,
  authserv: string | undefined,
): Read['vouched'] {
  if (!result || result.length > resultMax || !from || !authserv) return undefined;
  const [server = '', ...found] = result
    // What it quotes or explains may be the sender's words.
    .replace(/"(?:[^"\\]|\\.)*"/gs, ' ')
    .replace(/\([^()]*\)/g, ' ')
    .split(';')
    .map((part) => part.trim());
  if (server.split(/\s/)[0]?.toLowerCase() !== authserv.toLowerCase()) return undefined;
  const [verdict, another] = found.filter((part) => /^dmarc\s*=/i.test(part));
  // Of two, one is not our server's. It names the domain that it looked at, and programs differ in which From they take.
  if (!verdict || another) return undefined;
  const of = /\bheader\.from\s*=\s*([^\s;]+)/i.exec(verdict)?.[1];
  if (of?.toLowerCase() !== from.split('@')[1]?.toLowerCase()) return undefined;
  const [, said] = /^dmarc\s*=\s*(pass|fail)\b/i.exec(verdict) ?? [];
  return said?.toLowerCase() as Read['vouched'];
}

const unique = (tokens: string[]): string[] => [...new Set(tokens)];
const idsOf = (text: string): string[] => [...text.matchAll(idPattern)].map(([, token]) => token as string);
/** The last reference is the nearest one. */
const reverseIds = (text: string): string[] => (text.match(/<[^<>\s]{1,400}>/g) ?? []).reverse();

/** The tokens of addresses that are made as ours for answers. */
function tokensIn(addresses: string[], replyTo: string | undefined): string[] {
  const [before, after] = replyTo?.split('{token}') ?? [];
  if (before === undefined || after === undefined) return [];
  const quote = (text: string) => text.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&');
  const pattern = new RegExp(`${quote(before)}(${tokenPattern.source})${quote(after)}`, 'gi');
  return addresses.flatMap((each) => [...each.matchAll(pattern)].map(([, token]) => (token as string).toLowerCase()));
}

/** Whether a program wrote it: it is kept, and nothing is answered. */
function isAutomatic(header: (name: string) => string[]): boolean {
  // Also a receipt of a reader's program, and a complaint.
  if (header('content-type').some((value) => /^\s*multipart\/report\b/i.test(value))) return true;
  const [submitted] = header('auto-submitted');
  if (submitted && !/^\s*no\b/i.test(submitted)) return true;
  if (header('precedence').some((value) => /^\s*(bulk|junk|list|auto[-_]reply)\b/i.test(value))) return true;
  if (header('x-auto-response-suppress').some((value) => /\b(all|oof|autoreply)\b/i.test(value))) return true;
  return ['list-id', 'list-unsubscribe', 'x-autoreply', 'x-autorespond', 'x-autoresponder', 'x-loop'].some(
    (name) => header(name).length > 0,
  );
}

/** A report of a mail server that something did not arrive. Only one that names a mail of ours by its token counts later. */
function readBounce(email: Email, raw: Buffer): Read['bounce'] {
  const type = email.headers.find(({ key }) => key === 'content-type')?.value ?? '';
  const isReport = /multipart\/report/i.test(type) && /delivery-status/i.test(type);
  const isFromServer =
    /^\s*<\s*>/.test(email.headers.find(({ key }) => key === 'return-path')?.value ?? '') ||
    /^(mailer-daemon|postmaster)@/i.test(addressOf(email.from) ?? '');
  if (!isReport && !isFromServer) return undefined;
  const text = raw.subarray(0, reportBytesMax).toString('latin1');
  // Of the headers that it gives back: References comes first, and names the mails before.
  const named = [...text.matchAll(/^[a-z-]*message-id:\s{0,8}(<[^<>\s]{1,400}>)/gim)].flatMap(([, id]) =>
    idsOf(id as string),
  );
  const tokens = unique([...named, ...idsOf(text)]);
  const status = /^Status:\s*([245]\.\d{1,3}\.\d{1,3})/im.exec(text)?.[1];
  const action = /^Action:\s*(failed|delayed|delivered|relayed|expanded)/im.exec(text)?.[1]?.toLowerCase();
  // An automatic answer may come with an empty return path as well: without a status it is no report.
  if (!isReport && !status) return undefined;
  const isFailure = action === undefined ? status?.startsWith('5') === true : action === 'failed';
  return {
    isHard: isFailure && status?.startsWith('4') !== true,
    code: [action, status].filter(Boolean).join(' ') || 'failed',
    tokens,
  };
}

/** The address of the first mailbox. A group has none, but its members do. */
function addressOf(from: Address | undefined): string | undefined {
  const address = from?.address ?? from?.group?.[0]?.address;
  return address && address.length <= addressMax ? oneLine(address, addressMax) : undefined;
}

/** A line as `line` of @aether/http takes it: something of it can be seen, and nothing turns the direction of the text after it. */
function oneLine(text: string | undefined, max: number): string | undefined {
  const line = (text ?? '')
    .toWellFormed()
    .replace(/[\p{Cc}\p{Zl}\p{Zp}]+/gu, ' ')
    .replace(/[\u202a-\u202e\u2066-\u2069]+/g, '')
    .trim();
  const cut = [...line].slice(0, max).join('').trim();
  return /[^\p{Z}\p{Cc}\p{Cf}\p{Default_Ignorable_Code_Point}\u2800]/u.test(cut) ? cut : undefined;
}

/**
 * What was said without what is quoted. It cuts only where it is sure: at our own first line with what introduces it, at a quotation that goes on to
 * the end, and at a signature. Pure.
 */
export function cutQuoted(text: string): string {
  const lines = text.replaceAll('\r\n', '\n').split('\n');
  const marker = lines.findIndex((line) => line.includes('##-') && line.includes(markerLine.slice(3, 24)));
  let end = marker === -1 ? beginOfLastQuotation(lines) : marker;
  if (end < lines.length) end = cutIntroduction(lines, end);
  const kept = lines.slice(0, end);
  const signature = kept.findIndex((line) => /^-- ?$/.test(line));
  const said = (signature > 0 ? kept.slice(0, signature) : kept).join('\n').trim();
  // Somebody who answers below the quotation has said what follows it.
  if (said === '' && marker !== -1) return belowQuotation(lines, marker);
  return said;
}

const hasDate = /\d{1,2}[:.h]\d{2}|\d{4}/;
const isQuoted = (line: string) => /^\s*>/.test(line);
const isBlank = (line: string) => line.trim() === '';

/** Where a quotation begins that goes on to the end; the number of lines if there is none. */
function beginOfLastQuotation(lines: string[]): number {
  let at = lines.length;
  while (at > 0 && (isQuoted(lines[at - 1] as string) || isBlank(lines[at - 1] as string))) at -= 1;
  return lines.slice(at).some(isQuoted) ? at : lines.length;
}

/** Where the words begin that introduce a quotation: "On … wrote:" in any language, or a block of headers. */
function cutIntroduction(lines: string[], quotation: number): number {
  const back = (at: number, goesOn: (line: string) => boolean) => {
    let place = at;
    while (place > 0 && goesOn(lines[place - 1] as string)) place -= 1;
    return place;
  };
  const end = back(quotation, (line) => isBlank(line) || isQuoted(line));
  const begin = back(end, (line) => !isBlank(line));
  const block = lines.slice(begin, end);
  const headers = block.findIndex((line) => /^\s{0,8}\*?[\p{L} -]{2,20}\*?\s{0,8}[:：]\s*\S/u.test(line));
  if (headers !== -1 && block.length - headers >= 3 && block.slice(headers).some((line) => line.includes('@'))) {
    const from = begin + headers;
    return back(from, (line) => isBlank(line) || /^\s*[-_]{3}/.test(line));
  }
  for (let size = 1; size <= Math.min(3, block.length); size += 1) {
    const words = block.slice(-size).join(' ');
    if (!/[:：]\s*$/.test(words) || !(words.includes('@') || hasDate.test(words))) continue;
    // It may have been wrapped behind the date.
    const line = block.at(-size - 1) ?? '';
    const isWrapped = size < 3 && hasDate.test(line) && !/[.!?]\s*$/.test(line);
    return back(end - size - (isWrapped ? 1 : 0), isBlank);
  }
  return back(end, isBlank);
}

function belowQuotation(lines: string[], marker: number): string {
  const last = lines.findLastIndex(isQuoted);
  return last < marker
    ? ''
    : lines
        .slice(last + 1)
        .join('\n')
        .trim();
}
