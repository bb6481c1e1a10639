/** The reasons why a whole source is refused: nothing of it was read, and nothing of it can be. */
export type RefusalCode =
  | 'empty'
  | 'not-a-table'
  | 'compressed'
  | 'old-workbook'
  | 'encrypted'
  | 'damaged'
  | 'too-large'
  | 'too-many-columns'
  | 'unclosed-quotes'
  | 'declarations'
  | 'no-connection'
  | 'bad-query'
  | 'bad-mapping';

/** A source that cannot be read. The message is for the person who gave the file: what is wrong, and what to do. */
export class SourceRefused extends Error {
  override name = 'SourceRefused';
  readonly code: RefusalCode;

  constructor(code: RefusalCode, message: string) {
    super(message);
    this.code = code;
  }
}
