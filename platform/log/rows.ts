import type { Duplex } from 'node:stream';
import type pg from 'pg';
import type { BinaryParser } from './binary.ts';

/*
 * The rows of named statements, read beside the driver. The driver decodes each value of a row on its own, puts a message around them, and
 * gives that on from event to event: of a coalesced lookup, that was a quarter of what it costs the client. Here the values of a row are
 * parts of one text. All other messages go to the driver as they came, and in their order.
 */

/** A query that reads its rows itself. */
export interface RowReader {
  /** @param start after the head of the message */
  readRow(bytes: Buffer, start: number, end: number): void;
}

/** A query that reads what COPY sends itself. */
export interface CopyReader {
  /** One or more messages, with their heads. */
  readCopied(bytes: Buffer, start: number, end: number): void;
}
export type Parser = (text: string) => unknown;

/** What the driver's client and connection do beyond what the types declare. */
interface DriverClient {
  connection: { attachListeners(stream: Duplex): void };
  _getActiveQuery(): object | null;
}

type Readers = Partial<RowReader & CopyReader>;

/** A byte that says which message it is, and four with its length, in which they count themselves. */
export const headBytes = 5;
const dataRow = 'D'.charCodeAt(0);
const copyData = 'd'.charCodeAt(0);
const readyForQuery = 'Z'.charCodeAt(0);

/** Gives the rows of queries that read them themselves to those. For a client that is not connected yet. */
export function readRowsBeside(client: pg.Client): void {
  const driver = client as unknown as DriverClient;
  const { connection } = driver;
  const { attachListeners } = connection;
  const readerNow = () => {
    const query = driver._getActiveQuery();
    return query && ('readRow' in query || 'readCopied' in query) ? (query as Readers) : undefined;
  };
  connection.attachListeners = (stream) => {
    const on = (event: string, listener: (bytes: Buffer) => void) =>
      stream.on(event, event === 'data' ? divide(listener, readerNow) : listener);
    attachListeners.call(connection, Object.create(stream, { on: { value: on } }));
  };
}

/** @returns a listener that gives complete messages on. */
function divide(toDriver: (bytes: Buffer) => void, readerNow: () => Readers | undefined): (chunk: Buffer) => void {
  let begun: Buffer[] = []; // of a message that is not complete
  let missing = 0;
  let reader: Readers | undefined;
  let isReaderKnown = false;

  return (chunk) => {
    if (chunk.length < missing) {
      begun.push(chunk);
      missing -= chunk.length;
      return;
    }
    const bytes = begun.length > 0 ? Buffer.concat([...begun, chunk]) : chunk;
    let given = 0;
    let at = 0;
    const giveUntil = (end: number) => {
      if (given < end) toDriver(given === 0 && end === bytes.length ? bytes : bytes.subarray(given, end));
      given = end;
    };
    let end = 0;
    for (;;) {
      end = endOf(bytes, at);
      if (end > bytes.length) break;
      const kind = bytes[at];
      if (kind === dataRow || kind === copyData) {
        if (!isReaderKnown) {
          giveUntil(at); // whose rows these are, the driver knows once it has what is before them
          reader = readerNow();
          isReaderKnown = true;
        }
        if (kind === dataRow && reader?.readRow) {
          giveUntil(at);
          reader.readRow(bytes, at + headBytes, end);
          given = end;
        } else if (kind === copyData && reader?.readCopied) {
          giveUntil(at);
          while (bytes[end] === copyData && endOf(bytes, end) <= bytes.length) end = endOf(bytes, end);
          reader.readCopied(bytes, at, end);
          given = end;
        }
      } else if (kind === readyForQuery) isReaderKnown = false; // the next query's answer follows
      at = end;
    }
    giveUntil(at);
    begun = at < bytes.length ? [bytes.subarray(at)] : [];
    missing = at < bytes.length ? end - bytes.length : 0;
  };
}

/** Where a message ends, as far as its head tells. */
const endOf = (bytes: Buffer, at: number): number =>
  at + headBytes > bytes.length ? at + headBytes : at + 1 + bytes.readUInt32BE(at + 1);

/** The values of a longer row are decoded one by one, so that somebody who keeps one of them does not keep the text of the row. */
const sharedTextMax = 2_048;

/**
 * The values of a row.
 *
 * @param binary for the columns that come as the server has them, and not as text.
 */
export function readValues(
  bytes: Buffer,
  start: number,
  end: number,
  parsers: readonly Parser[],
  binary: readonly (BinaryParser | undefined)[] = [],
): unknown[] {
  const text = end - start > sharedTextMax ? undefined : bytes.toString('latin1', start, end);
  const values = new Array<unknown>(parsers.length);
  let at = start + 2; // after the number of values
  for (let n = 0; n < parsers.length; n++) {
    const length = bytes.readInt32BE(at);
    at += 4;
    if (length < 0) values[n] = null;
    else {
      const next = at + length;
      const parseBytes = binary[n];
      if (parseBytes) values[n] = parseBytes(bytes, at);
      else {
        const isShared = text !== undefined && isAscii(bytes, at, next);
        values[n] = (parsers[n] as Parser)(
          isShared ? text.substring(at - start, next - start) : bytes.toString('utf8', at, next),
        );
      }
      at = next;
    }
  }
  return values;
}

/** Whether the bytes of a text are its characters. */
function isAscii(bytes: Buffer, start: number, end: number): boolean {
  for (let at = start; at < end; at++) if ((bytes[at] as number) > 127) return false;
  return true;
}
