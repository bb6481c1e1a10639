import { refuseType } from './codes.ts';

/*
 * What a file is, by its bytes alone. Only what is in this list is taken; the name and the type that the sender says count for nothing, but that
 * a text needs a name that says so. There is no type that a browser would run: no HTML, no SVG, no script, no macro.
 */

/** The end of the name that a download gets, and whether a browser may show it in a page. */
const types = {
  'image/png': { ends: ['png'], isShown: true },
  'image/jpeg': { ends: ['jpg', 'jpeg'], isShown: true },
  'image/gif': { ends: ['gif'], isShown: true },
  'image/webp': { ends: ['webp'], isShown: true },
  'application/pdf': { ends: ['pdf'], isShown: false },
  'text/plain': { ends: ['txt', 'log', 'md', 'json'], isShown: false },
  'text/csv': { ends: ['csv'], isShown: false },
  'application/vnd.openxmlformats-officedocument.wordprocessingml.document': { ends: ['docx'], isShown: false },
  'application/vnd.openxmlformats-officedocument.spreadsheetml.sheet': { ends: ['xlsx'], isShown: false },
  'application/vnd.openxmlformats-officedocument.presentationml.presentation': { ends: ['pptx'], isShown: false },
  'application/vnd.oasis.opendocument.text': { ends: ['odt'], isShown: false },
  'application/vnd.oasis.opendocument.spreadsheet': { ends: ['ods'], isShown: false },
  'application/vnd.oasis.opendocument.presentation': { ends: ['odp'], isShown: false },
} as const satisfies Record<string, { ends: readonly string[]; isShown: boolean }>;

export type FileType = keyof typeof types;
export type ImageType = Extract<FileType, `image/${string}`>;

const ofOffice: Record<string, FileType> = {
  'word/': 'application/vnd.openxmlformats-officedocument.wordprocessingml.document',
  'xl/': 'application/vnd.openxmlformats-officedocument.spreadsheetml.sheet',
  'ppt/': 'application/vnd.openxmlformats-officedocument.presentationml.presentation',
};

export const isImage = (type: string): type is ImageType => type.startsWith('image/');
/** Whether the type is one that a browser may show in a page of ours. */
export const isShown = (type: string): boolean => types[type as FileType]?.isShown ?? false;

const taken = 'Images (PNG, JPEG, GIF, WebP), PDF, text, CSV and documents of Office or OpenDocument can be sent.';

/**
 * The type of a file by its first part. Of a text the rest is looked at by `textChecker`.
 *
 * @param name decides only between text and CSV, and refuses a text that says to be something else.
 * @throws Problem 415
 */
export function recognise(head: Uint8Array, name: string): FileType {
  const begins = (text: string, at = 0) => latin1(head, at, at + text.length) === text;
  if (begins('\x89PNG\r\n\x1a\n')) return 'image/png';
  if (begins('\xff\xd8\xff')) return 'image/jpeg';
  if (begins('GIF87a') || begins('GIF89a')) return 'image/gif';
  if (begins('RIFF') && begins('WEBP', 8)) return 'image/webp';
  if (begins('%PDF-')) return 'application/pdf';
  if (begins('PK\x03\x04')) return recogniseArchive(head);
  return recogniseText(head, name);
}

/** A document is an archive: OpenDocument says in its first entry what it is, Office by the names of its entries. */
function recogniseArchive(head: Uint8Array): FileType {
  const names = entryNames(head);
  if (names[0] === 'mimetype') {
    const said = latin1(head, 38, 38 + 100);
    const found = Object.keys(types).find((type) => said === type || said.startsWith(`${type}PK`));
    if (found?.startsWith('application/vnd.oasis')) return found as FileType;
  }
  const folder = Object.keys(ofOffice).find((each) => names.some((name) => name.startsWith(each)));
  if (folder && names.includes('[Content_Types].xml')) return ofOffice[folder] as FileType;
  throw refuseType(`An archive cannot be sent. ${taken}`);
}

/** The names of the entries that begin in these bytes. */
function entryNames(bytes: Uint8Array): string[] {
  const names: string[] = [];
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let at = 0; at >= 0 && at + 30 <= buffer.length; at = buffer.indexOf('PK\x03\x04', at + 4, 'latin1'))
    names.push(latin1(bytes, at + 30, at + 30 + Math.min(buffer.readUInt16LE(at + 26), 512)));
  return names;
}

function recogniseText(head: Uint8Array, name: string): FileType {
  const [, end = 'txt'] = /\.([^.]{1,20})$/.exec(name.toLowerCase()) ?? [];
  const type = (['text/plain', 'text/csv'] as const).find((each) =>
    (types[each].ends as readonly string[]).includes(end),
  );
  const begin = latin1(head, 0, 1_024).replace(/^(?:\xef\xbb\xbf|\s)+/, '');
  if (!type || /^(?:<[a-z!?/]|%!ps|#!)/i.test(begin)) throw refuseType(`This kind of file cannot be sent. ${taken}`);
  return type;
}

/** Looks at the parts of a file as they pass. `pass` and `end` throw Problem 415. */
export function checkerOf(type: FileType): { pass(part: Uint8Array): void; end(): void } {
  if (type === 'text/plain' || type === 'text/csv') return textChecker();
  if (type.startsWith('application/vnd.')) return macroChecker();
  return { pass: () => {}, end: () => {} };
}

/** A text is UTF-8 without control characters. */
function textChecker() {
  const decoder = new TextDecoder('utf-8', { fatal: true });
  const read = (part?: Uint8Array) => {
    let text: string;
    try {
      text = decoder.decode(part, { stream: part !== undefined });
    } catch {
      throw refuseType('This is no text in UTF-8. Save it as UTF-8 and send that.');
    }
    // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what a text does not have
    if (/[\x00-\x08\x0e-\x1f\x7f]/.test(text)) throw refuseType(`This kind of file cannot be sent. ${taken}`);
  };
  return { pass: (part: Uint8Array) => read(part), end: () => read() };
}

/** Names of entries of an archive: of Office, and of the scripts of OpenDocument. */
const macros = ['vbaProject.bin', 'Basic/', 'Scripts/'];
const longest = Math.max(...macros.map(({ length }) => length));

/** Documents with macros are refused: an office program may run what is in them. The names of the entries of an archive are never compressed. */
function macroChecker() {
  let rest = '';
  return {
    pass(part: Uint8Array) {
      const text = rest + latin1(part, 0, part.length);
      if (macros.some((each) => text.includes(each)))
        throw refuseType('Documents with macros cannot be sent. Save it without macros and send that.');
      rest = text.slice(1 - longest);
    },
    end: () => {},
  };
}

/** In UTF-8. No system takes a longer name than 255, and an export writes an id before it. */
const nameBytesMax = 200;

/** The name for a download: what was given, as far as it fits, with an end that fits the type. */
export function nameDownload(name: string, type: string): string {
  const { ends } = types[type as FileType] ?? { ends: ['bin'] as const };
  const plain = name.replace(/[\\/:*?"<>|]/g, '_').replace(/^\.+/, '_');
  const [, end = ''] = /\.([^.]+)$/.exec(plain.toLowerCase()) ?? [];
  const isFit = (ends as readonly string[]).includes(end);
  const last = isFit ? plain.slice(-end.length - 1) : `.${ends[0]}`;
  const characters = [...(isFit ? plain.slice(0, -last.length) : plain)];
  let left = nameBytesMax - last.length;
  const kept = characters.findIndex((each) => {
    left -= Buffer.byteLength(each);
    return left < 0;
  });
  return `${characters.slice(0, kept < 0 ? undefined : kept).join('')}${last}`;
}

const latin1 = (bytes: Uint8Array, from: number, to: number): string =>
  Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1', from, Math.min(to, bytes.length));
