import { SourceRefused } from '../refusal.ts';

/*
 * Finds the records of a JSON text of any length: the objects of a list, of a list within an object (`{"users": […]}`), or objects one after
 * another. Only one record is in memory at a time.
 */

/** One record as it is written. `problem` says why it is none. */
export type JsonText = { text: string; place: number; problem: string | null };

export type JsonScanner = { read(text: string): JsonText[]; end(): JsonText[] };

export const recordCharactersMax = 4 * 1024 * 1024;

/**
 * @param list the name of the list that holds the records, if it is within an object; null: the text is a list, or objects one after another
 */
export function jsonScanner(list: string | null): JsonScanner {
  return new Scanner(list);
}

const space = /[\s,\ufeff]/;

class Scanner implements JsonScanner {
  private readonly list: string | null;
  /** What was read and is not done: the beginning of a record, all of which was scanned. */
  private kept = '';
  private state: 'outside' | 'before' | 'record' | 'behind' = 'outside';
  private place = 0;
  private depth = 0;
  private isString = false;
  private isEscaped = false;
  private isOverlong = false;

  constructor(list: string | null) {
    this.list = list;
  }

  read(more: string): JsonText[] {
    const found: JsonText[] = [];
    let text = this.kept + more;
    let at = this.state === 'record' ? this.kept.length : 0;
    let start = 0;
    this.kept = '';
    if (this.state === 'outside') {
      const opened = this.open(text);
      if (opened === undefined) {
        this.kept = text;
        if (text.length > recordCharactersMax)
          throw new SourceRefused('not-a-table', 'The records do not begin within the first 4 MB.');
        return found;
      }
      text = text.slice(opened);
      this.state = 'before';
    }
    while (at < text.length && this.state !== 'behind') {
      if (this.state === 'before') {
        const char = text[at] as string;
        if (space.test(char)) {
          at += 1;
          continue;
        }
        if (char === ']' || char === '}') {
          // What follows the list, such as count and next_page, holds no records.
          this.state = 'behind';
          break;
        }
        this.state = 'record';
        this.depth = 0;
        this.isString = false;
        this.isOverlong = false;
        start = at;
      }
      const end = this.findEnd(text, at);
      if (end < 0) break;
      found.push(this.take(text.slice(start, end)));
      at = end;
      this.state = 'before';
    }
    if (this.state === 'record') {
      const rest = text.slice(start);
      this.isOverlong ||= rest.length > recordCharactersMax;
      this.kept = this.isOverlong ? rest.slice(0, 1_000) : rest;
    }
    return found;
  }

  end(): JsonText[] {
    if (this.state === 'outside' && this.kept.trim() !== '')
      throw new SourceRefused('not-a-table', `There is no list ${this.list ?? 'of records'} in the text.`);
    if (this.state !== 'record') return [];
    this.state = 'behind';
    const record = this.take(this.kept);
    return [{ ...record, problem: record.problem ?? 'The record does not end.' }];
  }

  private take(text: string): JsonText {
    this.place += 1;
    const problem = this.isOverlong ? `The record has more than ${recordCharactersMax} characters.` : null;
    return { text: this.isOverlong ? text.slice(0, 1_000) : text, place: this.place, problem };
  }

  /** The place behind the record that is being read; -1: it goes on in the next part. */
  private findEnd(text: string, from: number): number {
    for (let at = from; at < text.length; at += 1) {
      if (this.isString) {
        at = this.findStringEnd(text, at);
        if (at < 0) return -1;
        this.isString = false;
        continue;
      }
      const code = text.charCodeAt(at);
      if (code === 34) this.isString = true;
      else if (code === 123 || code === 91) this.depth += 1;
      else if (code === 125 || code === 93) {
        this.depth -= 1;
        // A text, number or null that stands for a record ends in front of the end of its list.
        if (this.depth < 0) return at;
        if (this.depth === 0) return at + 1;
      } else if ((code === 44 || code === 10) && this.depth === 0) return at;
    }
    return -1;
  }

  /** The place of the quote that ends a string; -1: it goes on in the next part. A quote behind an odd number of backslashes is part of it. */
  private findStringEnd(text: string, from: number): number {
    const start = this.isEscaped ? from + 1 : from;
    this.isEscaped = false;
    for (let quote = text.indexOf('"', start); quote >= 0; quote = text.indexOf('"', quote + 1))
      if (countBackslashes(text, start, quote) % 2 === 0) return quote;
    this.isEscaped = countBackslashes(text, start, text.length) % 2 === 1;
    return -1;
  }

  /** The place where the records begin; undefined: it is not in the text so far. */
  private open(text: string): number | undefined {
    const first = text.search(/[^\s\ufeff]/);
    if (first < 0) return undefined;
    if (this.list === null) return text[first] === '[' ? first + 1 : first;
    const found = findLists(text.slice(first)).find(({ name }) => name === this.list);
    return found && first + found.at;
  }
}

function countBackslashes(text: string, from: number, end: number): number {
  let at = end;
  while (at > from && text.charCodeAt(at - 1) === 92) at -= 1;
  return end - at;
}

/** The lists directly within the object that a text begins with, and the place behind their `[`. The text may be cut off. */
export function findLists(text: string): { name: string; at: number; first: string }[] {
  const lists: { name: string; at: number; first: string }[] = [];
  let depth = 0;
  let key = '';
  for (let at = 0; at < text.length; at += 1) {
    const char = text[at];
    if (char === '"') {
      let end = at + 1;
      while (end < text.length && text[end] !== '"') end += text[end] === '\\' ? 2 : 1;
      if (depth === 1 && /^\s*:/.test(text.slice(end + 1, end + 50))) key = text.slice(at + 1, end);
      at = end;
    } else if (char === '{' || char === '[') {
      if (depth === 1 && char === '[') {
        const first = /^\s*([^\s])/.exec(text.slice(at + 1, at + 1_000))?.[1] ?? '';
        lists.push({ name: key, at: at + 1, first });
      }
      depth += 1;
    } else if (char === '}' || char === ']') {
      depth -= 1;
      if (depth === 0) break;
    }
  }
  return lists;
}
