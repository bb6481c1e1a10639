import { globSync, readFileSync } from 'node:fs';
import { expect, test } from 'vitest';

const charactersMax = 140;
const read = (file: string) => readFileSync(new URL(file, import.meta.url), 'utf8');

/** Words that SQL has together and prose hardly ever. */
const sql = new RegExp(
  [
    String.raw`\bselect\b[^]*\b(?:from|as)\b`,
    String.raw`\b(?:insert into|delete from|merge into|order by|case when|alter table)\b`,
    String.raw`\bupdate [a-z_.]+(?: [a-z])? set\b`,
    String.raw`\bcreate (?:or replace )?(?:unique |temporary )?(?:table|index|function|policy|trigger|view|procedure|type|role)\b`,
    String.raw`\b(?:from|join|where) [a-z_]+\.[a-z_]+`,
    String.raw`\bgrant [a-z]+[^]* on [^]* to\b`,
    String.raw`\bjsonb_build_object\(`,
  ].join('|'),
);
/** A regular expression may begin behind one of these; behind anything else a slash divides. */
const beforeExpression = /(?:[(,=:[!&|?{};+*%~^]|=>|\b(?:return|typeof|case|in|of))\s*$/;

type Literal = { text: string; start: number; end: number };

/** The literals of a TypeScript source, in its order; one in a template's `${…}` comes before the template. */
function findLiterals(source: string): Literal[] {
  const found: Literal[] = [];
  const keep = (start: number, end: number) => found.push({ text: source.slice(start, end), start, end });

  /** @returns where the code ends: at the end of the source, or behind the brace that closes a template's `${`. */
  function readCode(from: number, isInTemplate: boolean): number {
    let depth = 0;
    for (let at = from; at < source.length; at += 1) {
      const character = source[at];
      if (source.startsWith('//', at)) at = indexOrEnd('\n', at);
      else if (source.startsWith('/*', at)) at = indexOrEnd('*/', at) + 1;
      else if (character === '/' && beforeExpression.test(source.slice(Math.max(0, at - 20), at))) at = readPattern(at);
      else if (character === "'" || character === '"') at = readString(at, character);
      else if (character === '`') at = readTemplate(at);
      else if (character === '{') depth += 1;
      else if (character === '}') {
        if (isInTemplate && depth === 0) return at;
        depth -= 1;
      }
    }
    return source.length;
  }

  const indexOrEnd = (what: string, from: number) => {
    const at = source.indexOf(what, from);
    return at < 0 ? source.length : at;
  };

  function readPattern(start: number): number {
    let isInSet = false;
    for (let at = start + 1; at < source.length && source[at] !== '\n'; at += 1) {
      if (source[at] === '\\') at += 1;
      else if (source[at] === '[') isInSet = true;
      else if (source[at] === ']') isInSet = false;
      else if (source[at] === '/' && !isInSet) return at;
    }
    return start;
  }

  /** An apostrophe in the text of JSX opens nothing: its line ends before it is closed. */
  function readString(start: number, quote: string): number {
    for (let at = start + 1; at < source.length && source[at] !== '\n'; at += 1) {
      if (source[at] === '\\') at += 1;
      else if (source[at] === quote) {
        keep(start, at + 1);
        return at;
      }
    }
    return start;
  }

  function readTemplate(start: number): number {
    for (let at = start + 1; at < source.length; at += 1) {
      if (source[at] === '\\') at += 1;
      else if (source.startsWith('${', at)) at = readCode(at + 2, true);
      else if (source[at] === '`') {
        keep(start, at + 1);
        return at;
      }
    }
    return source.length;
  }

  readCode(0, false);
  return found;
}

/** @returns the numbers of the lines that are too long and on which SQL is, in whole or in part. */
function findLongLines(source: string): number[] {
  const statements = findLiterals(source).filter(({ text }) => sql.test(text));
  let end = -1;
  return source.split('\n').flatMap((line, index) => {
    const start = end + 1;
    end = start + line.length;
    const isSql = () => statements.some((statement) => statement.start < end && statement.end > start);
    return line.length > charactersMax && isSql() ? [index + 1] : [];
  });
}

test('no line of SQL in a migration is longer than 140 characters', () => {
  const files = globSync('database/migrations/*.sql', { cwd: import.meta.dirname });
  expect(files.length).toBeGreaterThan(5);
  const long = files.flatMap((file) =>
    read(`./${file}`)
      .split('\n')
      .flatMap((line, index) => (line.length > charactersMax ? [`${file}:${index + 1} has ${line.length}`] : [])),
  );
  expect(long).toEqual([]);
});

test('no line of SQL in TypeScript is longer than 140 characters', () => {
  const files = globSync('{*,!(node_modules)/**/*}.{ts,tsx,mjs}', {
    cwd: import.meta.dirname,
    exclude: ['**/node_modules/**', '**/dist/**', '**/.dist-*/**', '.*/**'],
  });
  expect(files.length).toBeGreaterThan(300);
  const long = files.flatMap((file) => findLongLines(read(`./${file}`)).map((line) => `${file}:${line}`));
  expect(long).toEqual([]);
});

const columns = Array.from({ length: 30 }, (_, n) => `c.column${n}`).join(', ');

test.each([
  ['in a template', `on.query(\`select ${columns} from t\`);`],
  ['in a string', `const all = 'select ${columns} from t';`],
  ['on a later line of a statement', `const all = \`select a\n  from t where a in (${columns})\`;`],
  ['in a template within another one', `const all = \`\${isAll ? \`select ${columns} from t\` : ''}\`;`],
  ['behind a regular expression with a quote', `const quote = /['"\`]/g;\nconst all = 'select ${columns} from t';`],
  ['behind an apostrophe in JSX', `<p>It isn't</p>;\nconst all = \`select ${columns} from t\`;`],
])('a long line of SQL %s is found', (_, source) => {
  expect(findLongLines(source)).toEqual([source.split('\n').findIndex((line) => line.length > charactersMax) + 1]);
});

test.each([
  ['of prose', `const note = '${'Choose one of the customers. '.repeat(10)}';`],
  ['of code beside short SQL on another line', `const all = \`select a\n  from t\`;\nconst other = [${columns}];`],
  ['of a comment about SQL', `// select ${columns} from t`],
])('a long line %s is none of SQL', (_, source) => expect(findLongLines(source)).toEqual([]));
