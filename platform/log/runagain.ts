/*
 * What runs a statement that the server knows, as one message where the driver makes four of them. A list of keys becomes text in one step
 * instead of two regular expressions for each key.
 */

const [bind, execute, sync] = ['B', 'E', 'S'].map((kind) => kind.charCodeAt(0)) as [number, number, number];
/** Kind, length, name of the portal, numbers of formats and values: all but the name of the statement, the values and the formats of results. */
const bindBytes = 1 + 4 + 1 + 1 + 2 + 2;
/** Execute without a limit of rows. */
const executeAll = Buffer.from([execute, 0, 0, 0, 9, 0, 0, 0, 0, 0]);
const executeAndSync = Buffer.concat([executeAll, Buffer.from([sync, 0, 0, 0, 4])]);

/** Which columns come as the server has them, and not as text: the end of the message. */
export function formatsOf(isBinary: boolean[]): Buffer {
  const formats = Buffer.alloc(2 + 2 * isBinary.length);
  formats.writeInt16BE(isBinary.length);
  for (const [n, is] of isBinary.entries()) formats.writeInt16BE(Number(is), 2 + 2 * n);
  return formats;
}

/**
 * @param formats of the columns
 * @param isFollowed another statement follows before the next Sync
 * @returns undefined for values of which the driver knows more than this does
 */
export function runAgain(name: string, values: unknown[], formats: Buffer, isFollowed = false): Buffer | undefined {
  const tail = isFollowed ? executeAll : executeAndSync;
  let length = bindBytes + Buffer.byteLength(name) + formats.length;
  const texts: (string | null)[] = [];
  for (const value of values) {
    const text = toText(value);
    if (text === undefined) return undefined;
    texts.push(text);
    length += 4 + (text === null ? 0 : Buffer.byteLength(text));
  }
  const message = Buffer.allocUnsafe(length + tail.length);
  message[0] = bind;
  let at = message.writeInt32BE(length - 1, 1);
  message[at++] = 0; // the portal without a name
  at += message.write(name, at);
  message[at++] = 0;
  at = message.writeInt16BE(0, at); // all values are texts
  at = message.writeInt16BE(texts.length, at);
  for (const text of texts) {
    const written = text === null ? 0 : message.write(text, at + 4);
    message.writeInt32BE(text === null ? -1 : written, at);
    at += 4 + written;
  }
  at += formats.copy(message, at);
  tail.copy(message, at);
  return message;
}

/** As the driver writes it; undefined: ask the driver. */
function toText(value: unknown): string | null | undefined {
  if (typeof value === 'string') return value;
  if (typeof value === 'number' || typeof value === 'boolean' || typeof value === 'bigint') return String(value);
  if (value === null || value === undefined) return null;
  if (!Array.isArray(value) || !value.every((each) => typeof each === 'string')) return undefined;
  if (value.length === 0) return '{}';
  const joined = value.join('","');
  return isPlain(joined, value.length) ? `{"${joined}"}` : undefined;
}

/** Whether nothing in the texts has a meaning of its own in a list: no quotation marks but those between them, and no backslash. */
function isPlain(joined: string, texts: number): boolean {
  if (joined.includes('\\')) return false;
  let marks = 0;
  for (let at = joined.indexOf('"'); at >= 0; at = joined.indexOf('"', at + 1)) marks++;
  return marks === 2 * (texts - 1);
}
