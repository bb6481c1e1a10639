import { SourceRefused } from '../refusal.ts';
import { cellKinds, columnsMax } from '../rows.ts';
import type { ByteSource } from '../source.ts';
import { columnOf, dateOfSerial, isDateFormat, unescapeCell } from './cells.ts';
import { damaged, openParts, type Parts } from './parts.ts';
import { attributeOf, readXml } from './xml.ts';

/*
 * Workbooks (XLSX), read as a stream: neither the rows nor a sheet are ever in memory as a whole, only the texts that cells share.
 *
 * Hidden columns are read, because Dynamics keeps the id there; hidden sheets are not, because programs keep their own notes in them.
 */

export type SheetRow = { line: number; cells: string[]; kinds: number[] };

export type Workbook = {
  /** The names of the visible sheets. */
  sheets: string[];
  readSheet(name: string): AsyncGenerator<SheetRow[]>;
  close(): void;
};

const sharedCharactersMax = 100 * 1024 * 1024;
const cellCharactersMax = 1024 * 1024;
const rowCharactersMax = 4 * 1024 * 1024;
const rowsMax = 1_048_576;

/** @throws SourceRefused if it is no workbook, damaged, or too large to be an honest one */
export async function openWorkbook(source: ByteSource): Promise<Workbook> {
  const parts = await openParts(source);
  try {
    return await readWorkbook(source, parts);
  } catch (error) {
    parts.close();
    throw damaged(error as Error);
  }
}

async function readWorkbook(source: ByteSource, parts: Parts): Promise<Workbook> {
  const place = 'xl/workbook.xml';
  if (!parts.has(place)) {
    const known = parts.has('xl/workbook.bin') || parts.has('content.xml');
    throw new SourceRefused(
      'compressed',
      known
        ? `${source.name} is a workbook of another kind. Save it as XLSX or CSV.`
        : `${source.name} is a compressed folder. Unpack it and import the files in it.`,
    );
  }
  const sheets: { name: string; id: string; isHidden: boolean }[] = [];
  let is1904 = false;
  await drain(parts, place, {
    open(name, attributes) {
      if (name === 'workbookPr') is1904 = /^(?:1|true)$/.test(attributes.date1904 ?? '');
      if (name === 'sheet')
        sheets.push({
          name: attributes.name ?? '',
          id: attributeOf(attributes, 'id') ?? '',
          isHidden: /hidden/i.test(attributes.state ?? ''),
        });
    },
  });
  const targets = new Map<string, string>();
  await drain(parts, 'xl/_rels/workbook.xml.rels', {
    open(name, { Id = '', Target = '', TargetMode }) {
      if (name === 'Relationship' && TargetMode !== 'External')
        targets.set(Id, Target.startsWith('/') ? Target.slice(1) : `xl/${Target}`);
    },
  });
  const isDate = parts.has('xl/styles.xml') ? await readStyles(parts) : [];
  let shared: string[] | undefined;
  const visible = sheets.filter((sheet) => !sheet.isHidden && parts.has(targets.get(sheet.id) ?? ''));
  if (visible.length === 0) throw new SourceRefused('empty', `${source.name} has no visible sheet.`);
  return {
    sheets: visible.map(({ name }) => name),
    async *readSheet(name) {
      const sheet = visible.find((one) => one.name === name);
      if (!sheet) throw new SourceRefused('bad-mapping', `The workbook has no sheet ${name}.`);
      shared ??= parts.has('xl/sharedStrings.xml') ? await readShared(parts) : [];
      try {
        yield* readRows(parts, targets.get(sheet.id) as string, { shared, isDate, is1904 });
      } catch (error) {
        throw damaged(error as Error);
      }
    },
    close: () => parts.close(),
  };
}

async function drain(parts: Parts, name: string, handler: Parameters<typeof readXml>[1]): Promise<void> {
  for await (const _ of readXml(await parts.read(name), handler));
}

/** Which of the cell styles show a date. */
async function readStyles(parts: Parts): Promise<boolean[]> {
  const codes = new Map<number, string>();
  const isDate: boolean[] = [];
  let isInCells = false;
  await drain(parts, 'xl/styles.xml', {
    open(name, attributes) {
      if (name === 'numFmt') codes.set(Number(attributes.numFmtId), attributes.formatCode ?? '');
      if (name === 'cellXfs') isInCells = true;
      if (name === 'xf' && isInCells) {
        const id = Number(attributes.numFmtId ?? 0);
        isDate.push(isDateFormat(id, codes.get(id)));
      }
    },
    close(name) {
      if (name === 'cellXfs') isInCells = false;
    },
  });
  return isDate;
}

/** The texts that cells share. They are the only part of a workbook whose size is the file's. */
async function readShared(parts: Parts): Promise<string[]> {
  const shared: string[] = [];
  let text = '';
  let isText = false;
  let isPhonetic = false;
  let characters = 0;
  await drain(parts, 'xl/sharedStrings.xml', {
    open(name) {
      if (name === 'si') text = '';
      isText = name === 't' && !isPhonetic;
      if (name === 'rPh') isPhonetic = true;
    },
    text(part) {
      if (isText) text += part;
    },
    close(name) {
      isText = false;
      if (name === 'rPh') isPhonetic = false;
      if (name !== 'si') return;
      characters += text.length + 16;
      if (characters > sharedCharactersMax)
        throw new SourceRefused('too-large', 'The workbook has more than 100 MB of texts. Save it as CSV.');
      shared.push(unescapeCell(text));
    },
  });
  return shared;
}

type Book = { shared: string[]; isDate: boolean[]; is1904: boolean };

async function* readRows(parts: Parts, place: string, book: Book): AsyncGenerator<SheetRow[]> {
  let rows: SheetRow[] = [];
  let row: SheetRow | undefined;
  let column = -1;
  let type = 'n';
  let style = 0;
  let value = '';
  let isValue = false;
  let isPhonetic = false;
  let characters = 0;
  let count = 0;
  const xml = readXml(await parts.read(place), {
    open(name, attributes) {
      if (name === 'row') {
        const line = Number(attributes.r ?? (row?.line ?? 0) + 1);
        row = { line, cells: [], kinds: [] };
        column = -1;
        characters = 0;
        count += 1;
        if (count > rowsMax) throw new SourceRefused('too-large', `The sheet has more than ${rowsMax} rows.`);
      } else if (name === 'c') {
        const reference = attributes.r === undefined ? column + 1 : columnOf(attributes.r);
        if (reference === undefined || reference < 0 || reference >= 16_384)
          throw new SourceRefused('damaged', `The workbook has a cell at ${attributes.r}.`);
        column = reference;
        type = attributes.t ?? 'n';
        style = Number(attributes.s ?? 0);
        value = '';
      } else if (name === 'rPh') isPhonetic = true;
      isValue = name === 'v' || (name === 't' && !isPhonetic);
    },
    text(part) {
      if (!isValue) return;
      value += part;
      characters += part.length;
      if (value.length > cellCharactersMax || characters > rowCharactersMax)
        throw new SourceRefused('too-large', `Row ${row?.line} of the sheet has more than a megabyte of text.`);
    },
    close(name) {
      isValue = false;
      if (name === 'rPh') isPhonetic = false;
      if (name === 'c' && row) setCell(row, column, type, style, value, book);
      if (name === 'row' && row && row.cells.length > 0) rows.push(row);
    },
  });
  for await (const _ of xml) {
    if (rows.length === 0) continue;
    yield rows;
    rows = [];
  }
}

function setCell(row: SheetRow, column: number, type: string, style: number, value: string, book: Book): void {
  if (value === '') return;
  if (column >= columnsMax)
    throw new SourceRefused('too-many-columns', `A row of the sheet has more than ${columnsMax} cells.`);
  while (row.cells.length < column) {
    row.cells.push('');
    row.kinds.push(cellKinds.text);
  }
  const [text, kind] = readCell(type, style, value, book);
  row.cells[column] = text;
  row.kinds[column] = kind;
}

function readCell(type: string, style: number, value: string, { shared, isDate, is1904 }: Book): [string, number] {
  switch (type) {
    case 's': {
      const text = shared[Number(value)];
      if (text === undefined) throw new SourceRefused('damaged', 'The workbook has a cell whose text is missing.');
      return [text, cellKinds.text];
    }
    case 'inlineStr':
    case 'str':
      return [unescapeCell(value), cellKinds.text];
    case 'b':
      return [value === '1' ? 'TRUE' : 'FALSE', cellKinds.boolean];
    case 'e':
      return [value, cellKinds.error];
    case 'd':
      return [value, cellKinds.date];
    default: {
      const date = isDate[style] ? dateOfSerial(Number(value), is1904) : undefined;
      return date === undefined ? [value, cellKinds.number] : [date, cellKinds.date];
    }
  }
}
