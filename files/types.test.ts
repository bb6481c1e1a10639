import { Problem } from '@aether/http';
import { describe, expect, test } from 'vitest';
import { makeDocument, makeImage } from './testing.ts';
import { checkerOf, nameDownload, recognise } from './types.ts';

const office = 'application/vnd.openxmlformats-officedocument';
const text = (words: string) => Buffer.from(words);
const codeOf = (work: () => unknown): string | undefined => {
  try {
    work();
  } catch (error) {
    return error instanceof Problem ? error.code : `${error}`;
  }
  return undefined;
};

describe('a file is what its bytes say', () => {
  test.each([
    ['a PNG with the name of a text', makeImage('png'), 'notes.txt', 'image/png'],
    ['a JPEG', makeImage('jpeg'), 'x', 'image/jpeg'],
    ['a WebP', makeImage('webp'), 'x.html', 'image/webp'],
    ['a GIF', text('GIF89a……'), 'x.svg', 'image/gif'],
    ['a PDF', text('%PDF-1.7\n'), 'x.exe', 'application/pdf'],
    ['a text', text('Grüße, BMW'), 'x.txt', 'text/plain'],
    ['a text that begins as a bitmap does', text('BMW is a maker of cars'), 'x.md', 'text/plain'],
    ['a text without an end of its name', text('words'), 'README', 'text/plain'],
    ['a CSV', text('a,b\n1,2'), 'x.CSV', 'text/csv'],
    ['Word', makeDocument('[Content_Types].xml', 'word/document.xml'), 'x', `${office}.wordprocessingml.document`],
    ['Excel', makeDocument('[Content_Types].xml', 'xl/workbook.xml'), 'x', `${office}.spreadsheetml.sheet`],
  ])('%s', (_, bytes, name, type) => {
    expect(recognise(bytes, name)).toBe(type);
  });

  test.each([
    ['HTML with the name of an image', text('<!DOCTYPE html><script>alert(1)</script>'), 'cat.png'],
    ['HTML with the name of a text', text('\ufeff  <html>'), 'x.txt'],
    ['SVG with the name of a text', text('<?xml version="1.0"?><svg onload="x"/>'), 'x.txt'],
    ['a bare SVG', text('<svg xmlns="http://www.w3.org/2000/svg"/>'), 'x.svg'],
    ['a script of a shell', text('#!/bin/sh\nrm'), 'x.txt'],
    ['a text with the name of an image', text('words'), 'x.png'],
    ['a program', text('MZ\x90\x00'), 'x.exe'],
    ['an archive', makeDocument('a.txt', 'b.txt'), 'x.zip'],
    ['an archive with the name of a document', makeDocument('word/document.xml'), 'x.docx'],
    ['nothing', text(''), 'x.exe'],
  ])('%s is refused', (_, bytes, name) => {
    expect(codeOf(() => recognise(bytes, name))).toBe('file-type-refused');
  });

  test('a text may have no other bytes than UTF-8, also where two parts meet', () => {
    const bytes = text('Grüße');
    const whole = checkerOf('text/plain');
    for (const byte of bytes) whole.pass(Uint8Array.of(byte));
    expect(codeOf(() => whole.end())).toBeUndefined();
    const cut = checkerOf('text/plain');
    cut.pass(bytes.subarray(0, 3));
    expect(codeOf(() => cut.end())).toBe('file-type-refused');
    expect(codeOf(() => checkerOf('text/csv').pass(Uint8Array.of(97, 0, 98)))).toBe('file-type-refused');
  });

  test('a document with macros is refused, also if their name lies across two parts; one without is not', () => {
    const type = `${office}.wordprocessingml.document` as const;
    const clean = checkerOf(type);
    clean.pass(makeDocument('[Content_Types].xml', 'word/document.xml'));
    const bytes = makeDocument('[Content_Types].xml', 'word/vbaProject.bin');
    const place = bytes.indexOf('vbaProject') + 4;
    const hostile = checkerOf(type);
    hostile.pass(bytes.subarray(0, place));
    expect(codeOf(() => hostile.pass(bytes.subarray(place)))).toBe('file-type-refused');
  });

  test.each(['Basic/script-lc.xml', 'Basic/Standard/script-lb.xml', 'Scripts/python/any.py'])(
    'an OpenDocument with %s, which its program may run, is refused; one without is not',
    (script) => {
      const checked = (...entries: string[]) =>
        codeOf(() =>
          checkerOf('application/vnd.oasis.opendocument.text').pass(makeDocument('content.xml', ...entries)),
        );
      expect(checked('Pictures/Basics.png')).toBeUndefined();
      expect(checked(script)).toBe('file-type-refused');
    },
  );
});

test('a download has a name whose end fits what it is, and that leads into no folder', () => {
  expect(nameDownload('cat.JPG', 'image/jpeg')).toBe('cat.JPG');
  expect(nameDownload('cat.exe', 'image/png')).toBe('cat.exe.png');
  expect(nameDownload('../../.bashrc', 'text/plain')).toBe('__.._.bashrc.txt');
  // No system takes a name of more than 255 bytes, and an export writes an id before it.
  const long = nameDownload(`${'漢'.repeat(190)}.PNG`, 'image/png');
  expect([Buffer.byteLength(long) <= 200, long.endsWith('漢.PNG')]).toEqual([true, true]);
  expect(nameDownload(`x.${'😀'.repeat(190)}`, 'application/pdf')).toMatch(/^x\.(?:😀){10,}\.pdf$/u);
});
