import type { CopiedRows } from './copying.ts';
import { type AppEvent, type EventRow, type RowChange, toEvent } from './events.ts';
import { mayBeRounded, parseJson } from './pool.ts';

/*
 * Events as binary COPY sends them. To make them of a text for each column took twice as long: numbers are read where they are, texts that repeat
 * from event to event are not made again, and the JSON of many events is parsed as one array.
 */

/**
 * The columns of an event in the order in which they are read here. What is as long in every event comes first, each behind its length, and
 * all behind the number of columns. A row's id that is the key is not sent again.
 */
export const copiedColumns = `e.position, e.id, e.occurred_at, e.data, e.previous, e.version, e.type, e.key, nullif(e.row_id, e.key),
  e.customer, e.app, e.actor, e.trace`;
const positionAt = 6;
const idAt = 18;
const occurredAt = 30;
const dataLengthAt = 38;
/** Binary JSON begins with its version. */
const jsonHeadBytes = 1;
/** Times are microseconds from then on. */
const epochMs = Date.UTC(2000);

/** The JSON of so many events is parsed at once: parsing has a fixed cost, and one text beyond ASCII makes all of them take longer. */
const parsedAtOnce = 64;
const jsonSpace = 2 ** 16;

/**
 * Values of JSON, which are collected as bytes and parsed as one array. Where one of them has to be read with care, each is parsed on its own: that
 * takes long, and it may fail. The space of large ones is given back.
 */
class JsonTexts {
  #space = Buffer.allocUnsafeSlow(jsonSpace);
  #end = 0;
  #ends: number[] = [];

  /** What could not be parsed is none of the next ones. */
  begin(): void {
    this.#end = 0;
    this.#ends = [];
  }

  add(bytes: Buffer, start: number, end: number): void {
    const next = this.#end + 1 + end - start;
    if (next >= this.#space.length) {
      const larger = Buffer.allocUnsafeSlow(next * 2);
      this.#space.copy(larger, 0, 0, this.#end);
      this.#space = larger;
    }
    this.#space[this.#end] = comma;
    bytes.copy(this.#space, this.#end + 1, start, end);
    this.#end = next;
    this.#ends.push(next);
  }

  parse(): unknown[] {
    const space = this.#space;
    space[0] = bracket;
    space[this.#end] = endBracket;
    const text = space.toString('utf8', 0, this.#end + 1);
    if (space.length > 4 * jsonSpace) this.#space = Buffer.allocUnsafeSlow(jsonSpace);
    if (!mayBeRounded(text)) return JSON.parse(text) as unknown[];
    return this.#ends.map((end, n) => parseJson(space.toString('utf8', (this.#ends[n - 1] ?? 0) + 1, end)));
  }
}
const [bracket, comma, endBracket] = Buffer.from('[,]') as unknown as [number, number, number];

/** A text that is often that of the event before. */
class RepeatedText {
  #last = '';

  read(bytes: Buffer, start: number, end: number): string {
    if (isAscii(this.#last, bytes, start, end)) return this.#last;
    const text = bytes.toString('utf8', start, end);
    if (text.length === end - start) this.#last = text; // ASCII, of which bytes are characters
    return text;
  }
}

const hexDigits = Buffer.from('0123456789abcdef');
const hyphen = '-'.charCodeAt(0);
const uuidLength = 36;
const uuidText = Buffer.alloc(uuidLength);

/** A UUID, which PostgreSQL writes from its sixteen bytes. @param likely the text that it is most often */
function readUuid(bytes: Buffer, start: number, likely: string): string {
  let end = 0;
  for (let n = 0; n < 16; n++) {
    const byte = bytes[start + n] as number;
    if (n === 4 || n === 6 || n === 8 || n === 10) uuidText[end++] = hyphen;
    uuidText[end++] = hexDigits[byte >> 4] as number;
    uuidText[end++] = hexDigits[byte & 15] as number;
  }
  return isAscii(likely, uuidText, 0, end) ? likely : uuidText.toString('latin1');
}

/** Whether bytes are this text, if it is ASCII. */
function isAscii(text: string, bytes: Buffer, start: number, end: number): boolean {
  if (text.length !== end - start) return false;
  let n = 0;
  while (n < text.length && bytes[start + n] === text.charCodeAt(n)) n++;
  return n === text.length;
}

const datas = new JsonTexts();
const previouses = new JsonTexts();
const types = new RepeatedText();
const apps = new RepeatedText();
const actors = new RepeatedText();
const traces = new RepeatedText();

export const positionOf = (rows: CopiedRows, n: number): number => numberAt(rows.view, rows.startOf(n) + positionAt);

/** What tells an event from all others: in another history of the log its position may have another id. */
export type Named = Pick<AppEvent, 'position' | 'id'>;
export const nameOf = (rows: CopiedRows, n: number): Named => ({
  position: positionOf(rows, n),
  id: numberAt(rows.view, rows.startOf(n) + idAt),
});

/** The events of some rows, from one to before another. */
export function eventsOf(rows: CopiedRows, from: number, until: number): AppEvent[] {
  const events: AppEvent[] = [];
  for (let n = from; n < until; n += parsedAtOnce) readEvents(rows, n, Math.min(n + parsedAtOnce, until), events);
  return events;
}

function readEvents(rows: CopiedRows, from: number, until: number, into: AppEvent[]): void {
  const { bytes, view } = rows;
  datas.begin();
  previouses.begin();
  for (let n = from; n < until; n++) {
    const data = rows.startOf(n) + dataLengthAt;
    const previous = data + 4 + view.getInt32(data);
    datas.add(bytes, data + 4 + jsonHeadBytes, previous);
    previouses.add(bytes, previous + 4 + jsonHeadBytes, previous + 4 + view.getInt32(previous));
  }
  const dataOf = datas.parse() as RowChange[];
  const previousOf = previouses.parse() as RowChange[];
  for (let n = from; n < until; n++) {
    row.data = dataOf[n - from] as RowChange;
    row.previous = previousOf[n - from] as RowChange;
    readColumns(rows, rows.startOf(n));
    into.push(toEvent(row));
  }
}

/** All but the JSON, into `row`. */
function readColumns({ bytes, view }: CopiedRows, start: number): void {
  row.position = numberAt(view, start + positionAt);
  row.id = numberAt(view, start + idAt);
  row.occurred_ms = epochMs + Math.floor(numberAt(view, start + occurredAt) / 1_000);
  const data = start + dataLengthAt;
  const previous = nextOf(view, data);
  let at = nextOf(view, previous);
  row.version = isNull(view, at) ? null : numberAt(view, at + 4);
  at = nextOf(view, at);
  row.type = types.read(bytes, at + 4, nextOf(view, at));
  at = nextOf(view, at);
  row.key = bytes.toString('utf8', at + 4, nextOf(view, at));
  at = nextOf(view, at);
  row.row_id = isNull(view, at) ? row.key : bytes.toString('utf8', at + 4, nextOf(view, at));
  at = nextOf(view, at);
  row.customer = isNull(view, at) ? null : readUuid(bytes, at + 4, row.key);
  at = nextOf(view, at);
  row.app = apps.read(bytes, at + 4, nextOf(view, at));
  at = nextOf(view, at);
  row.actor = isNull(view, at) ? null : actors.read(bytes, at + 4, nextOf(view, at));
  at = nextOf(view, at);
  row.trace = isNull(view, at) ? null : traces.read(bytes, at + 4, nextOf(view, at));
}

/** A column begins with its length, which is negative if it is null. */
const isNull = (view: DataView, column: number): boolean => view.getInt32(column) < 0;
const nextOf = (view: DataView, column: number): number => column + 4 + Math.max(view.getInt32(column), 0);

/** What is read of an event, until it is made. */
const row: EventRow = {
  position: 0,
  id: 0,
  type: '',
  key: '',
  customer: null,
  row_id: '',
  version: null,
  app: '',
  actor: null,
  data: {},
  previous: {},
  trace: null,
  occurred_ms: 0,
};

/** PostgreSQL's bigint, of which a number holds those of the log exactly. */
const numberAt = (view: DataView, at: number): number => view.getInt32(at) * 2 ** 32 + view.getUint32(at + 4);
