import { StringDecoder } from 'node:string_decoder';
import { SourceRefused } from '../refusal.ts';

/** What a part of a workbook is read with. Names are without their namespace's prefix. */
export type XmlHandler = {
  open?(name: string, attributes: Record<string, string>): void;
  close?(name: string): void;
  text?(text: string): void;
};

/** More characters than this in one tag or text are no cell. */
const stretchMax = 4 * 1024 * 1024;

/**
 * Reads XML as it comes. Declarations (DOCTYPE) are refused: workbooks have none, and they are how an entity reads another file or grows.
 *
 * @yields after each chunk, so that the caller can take what its handler has collected
 */
export async function* readXml(chunks: AsyncIterable<Buffer>, handler: XmlHandler): AsyncGenerator<void> {
  const { SaxesParser } = await import('saxes'); // loaded only here, as all that reads a workbook: few processes see one
  const parser = new SaxesParser({ xmlns: false, position: false });
  const decoder = new StringDecoder('utf8');
  let stretch = 0;
  parser.on('opentag', ({ name, attributes }) => {
    stretch = 0;
    handler.open?.(localName(name), attributes as Record<string, string>);
  });
  parser.on('closetag', ({ name }) => {
    stretch = 0;
    handler.close?.(localName(name));
  });
  parser.on('text', (text) => handler.text?.(text));
  parser.on('cdata', (text) => handler.text?.(text));
  parser.on('doctype', () => {
    throw new SourceRefused(
      'declarations',
      'The workbook declares entities (DOCTYPE), which no spreadsheet program writes.',
    );
  });
  parser.on('error', (error) => {
    throw new SourceRefused(
      'damaged',
      `The workbook is damaged: its XML cannot be read (${error.message.slice(0, 100)}).`,
    );
  });
  for await (const chunk of chunks) {
    const text = decoder.write(chunk);
    stretch += text.length;
    if (stretch > stretchMax)
      throw new SourceRefused('too-large', 'A cell of the workbook has more than 4 MB of text.');
    parser.write(text);
    yield;
  }
  parser.write(decoder.end()).close();
  yield;
}

const localName = (name: string): string => {
  const colon = name.indexOf(':');
  return colon < 0 ? name : name.slice(colon + 1);
};

/** An attribute whatever its namespace's prefix is. */
export function attributeOf(attributes: Record<string, string>, name: string): string | undefined {
  const direct = attributes[name];
  if (direct !== undefined) return direct;
  const found = Object.keys(attributes).find((key) => localName(key) === name);
  return found === undefined ? undefined : attributes[found];
}
