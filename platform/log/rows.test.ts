import { EventEmitter } from 'node:events';
import type pg from 'pg';
import { expect, test } from 'vitest';
import { readRowsBeside, readValues } from './rows.ts';

/** A message of the server: its kind, its length, its body. */
function message(kind: string, body: Buffer): Buffer {
  const head = Buffer.alloc(5);
  head.write(kind);
  head.writeInt32BE(body.length + 4, 1);
  return Buffer.concat([head, body]);
}

function row(values: (string | null)[]): Buffer {
  const count = Buffer.alloc(2);
  count.writeInt16BE(values.length);
  const fields = values.flatMap((value) => {
    const length = Buffer.alloc(4);
    length.writeInt32BE(value === null ? -1 : Buffer.byteLength(value));
    return [length, Buffer.from(value ?? '')];
  });
  return message('D', Buffer.concat([count, ...fields]));
}

const ready = message('Z', Buffer.from('I'));
const complete = message('C', Buffer.from('SELECT 2\0'));
const copied = ['one', 'two', 'three'].map((text) => message('d', Buffer.from(text)));
const first = [row(['a', null]), row(['ä', 'x'.repeat(300)])];
const second = [row(['of the driver', ''])];
const third = [row([null, '€'])];
const opened = message('H', Buffer.from([1, 0, 0]));
const fourth = [opened, ...copied];
const parts = [first, second, third, fourth, fourth];
const answers = Buffer.concat(parts.flatMap((part) => [...part, complete, ready]));

test('rows come to the query that reads them and all else to the driver, in order, however the bytes are cut', () => {
  for (let size = 1; size <= answers.length; size = size < 16 ? size + 1 : size * 2) {
    const read: unknown[][] = [];
    const ours = { readRow: (...at: [Buffer, number, number]) => read.push(readValues(...at, [String, String])) };
    const copies: Buffer[] = [];
    const copy = {
      readCopied: (bytes: Buffer, start: number, end: number) => copies.push(Buffer.from(bytes.subarray(start, end))),
    };
    const queries = [ours, {}, ours, copy, {}];
    const given: Buffer[] = [];
    let answered = 0;
    const driver = (bytes: Buffer) => {
      given.push(Buffer.from(bytes));
      answered += bytes.toString('latin1').split(ready.toString('latin1')).length - 1;
    };
    const stream = new EventEmitter();
    const connection = { attachListeners: (from: EventEmitter) => void from.on('data', driver) };
    readRowsBeside({ connection, _getActiveQuery: () => queries[answered] } as unknown as pg.Client);
    connection.attachListeners(stream);
    for (let at = 0; at < answers.length; at += size) stream.emit('data', answers.subarray(at, at + size));
    expect(read).toEqual([
      ['a', null],
      ['ä', 'x'.repeat(300)],
      [null, '€'],
    ]);
    expect(Buffer.concat(copies)).toEqual(Buffer.concat(copied));
    const ofDriver = [[], second, [], [opened], fourth];
    expect(Buffer.concat(given)).toEqual(Buffer.concat(ofDriver.flatMap((part) => [...part, complete, ready])));
  }
});
