import { crc32, deflateRawSync } from 'node:zlib';

/** What a zip holds: a content, or data that is compressed already and the size that it is said to have. */
export type ZipContent = string | Buffer | { data: Buffer; size: number };

export function writeZip(files: Record<string, ZipContent>): Buffer {
  const parts: Buffer[] = [];
  const directory: Buffer[] = [];
  let offset = 0;
  for (const [name, content] of Object.entries(files)) {
    const isReady = typeof content === 'object' && 'data' in content;
    const bytes = isReady ? Buffer.alloc(0) : Buffer.from(content);
    const data = isReady ? content.data : deflateRawSync(bytes);
    const head = Buffer.alloc(30);
    head.writeUInt32LE(0x04034b50, 0);
    head.writeUInt16LE(20, 4);
    head.writeUInt16LE(8, 8);
    head.writeUInt32LE(crc32(bytes), 14);
    head.writeUInt32LE(data.length, 18);
    head.writeUInt32LE(isReady ? content.size : bytes.length, 22);
    head.writeUInt16LE(Buffer.byteLength(name), 26);
    const entry = Buffer.alloc(46);
    entry.writeUInt32LE(0x02014b50, 0);
    entry.writeUInt16LE(20, 4);
    entry.writeUInt16LE(20, 6);
    head.copy(entry, 10, 8, 30);
    entry.writeUInt32LE(offset, 42);
    parts.push(head, Buffer.from(name), data);
    directory.push(entry, Buffer.from(name));
    offset += 30 + Buffer.byteLength(name) + data.length;
  }
  const size = directory.reduce((sum, { length }) => sum + length, 0);
  const end = Buffer.alloc(22);
  end.writeUInt32LE(0x06054b50, 0);
  end.writeUInt16LE(Object.keys(files).length, 8);
  end.writeUInt16LE(Object.keys(files).length, 10);
  end.writeUInt32LE(size, 12);
  end.writeUInt32LE(offset, 16);
  return Buffer.concat([...parts, ...directory, end]);
}

/** A cell as the XML of a sheet has it: a text, or attributes and content. */
export type SheetCell = string | { t?: string; s?: number; v: string } | null;

const escapeXml = (text: string): string => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;');
const nameOf = (column: number): string =>
  column < 26 ? String.fromCharCode(65 + column) : nameOf(Math.floor(column / 26) - 1) + nameOf(column % 26);

export function writeSheet(rows: SheetCell[][]): string {
  const cells = (row: SheetCell[], line: number) =>
    row
      .map((cell, column) => {
        if (cell === null) return '';
        const place = `${nameOf(column)}${line}`;
        if (typeof cell === 'string') return `<c r="${place}" t="inlineStr"><is><t>${escapeXml(cell)}</t></is></c>`;
        const attributes = `${cell.t ? ` t="${cell.t}"` : ''}${cell.s ? ` s="${cell.s}"` : ''}`;
        return `<c r="${place}"${attributes}><v>${escapeXml(cell.v)}</v></c>`;
      })
      .join('');
  const body = rows.map((row, place) => `<row r="${place + 1}">${cells(row, place + 1)}</row>`).join('');
  return `<?xml version="1.0"?><worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><sheetData>${body}</sheetData></worksheet>`;
}

export type WorkbookParts = {
  sheets: Record<string, SheetCell[][] | string>;
  hidden?: string[];
  shared?: string[] | string;
  /** Number formats of the cell styles 1, 2, …: an id of a built-in one, or a code. */
  styles?: (number | string)[];
  is1904?: boolean;
  more?: Record<string, ZipContent>;
};

/** A workbook as a spreadsheet program writes it. */
export function writeWorkbook({
  sheets,
  hidden = [],
  shared,
  styles = [],
  is1904 = false,
  more,
}: WorkbookParts): Buffer {
  const names = Object.keys(sheets);
  const codes = styles.map((style, place) => ({ id: typeof style === 'number' ? style : 164 + place, code: style }));
  const list = names.map(
    (name, place) =>
      `<sheet name="${escapeXml(name)}" sheetId="${place + 1}" r:id="rId${place + 1}"${hidden.includes(name) ? ' state="hidden"' : ''}/>`,
  );
  const relations = names.map(
    (_, place) => `<Relationship Id="rId${place + 1}" Type="worksheet" Target="worksheets/sheet${place + 1}.xml"/>`,
  );
  const formats = codes.filter(({ code }) => typeof code === 'string');
  return writeZip({
    '[Content_Types].xml': '<Types/>',
    'xl/workbook.xml': `<workbook xmlns:r="r"><workbookPr${is1904 ? ' date1904="1"' : ''}/><sheets>${list.join('')}</sheets></workbook>`,
    'xl/_rels/workbook.xml.rels': `<Relationships>${relations.join('')}</Relationships>`,
    'xl/styles.xml': `<styleSheet><numFmts>${formats
      .map(
        ({ id, code }) =>
          `<numFmt numFmtId="${id}" formatCode="${escapeXml(String(code)).replaceAll('"', '&quot;')}"/>`,
      )
      .join(
        '',
      )}</numFmts><cellXfs><xf numFmtId="0"/>${codes.map(({ id }) => `<xf numFmtId="${id}"/>`).join('')}</cellXfs></styleSheet>`,
    ...(shared === undefined
      ? {}
      : {
          'xl/sharedStrings.xml':
            typeof shared === 'string'
              ? shared
              : `<sst>${shared.map((text) => `<si><t>${escapeXml(text)}</t></si>`).join('')}</sst>`,
        }),
    ...Object.fromEntries(
      Object.values(sheets).map((rows, place) => [
        `xl/worksheets/sheet${place + 1}.xml`,
        typeof rows === 'string' ? rows : writeSheet(rows),
      ]),
    ),
    ...more,
  });
}
