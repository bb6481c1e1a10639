import { readFileSync } from 'node:fs';
import { join, posix } from 'node:path';

/*
 * The report of what a package promises: the declarations of everything that a door exports, and of everything that these name, without comments.
 * It reads the declarations that the compiler has written: each statement begins at the margin.
 */

type Statement = { file: string; name: string; isExported: boolean; text: string; documented: string };
type Source = {
  statements: Map<string, Statement>;
  /** What comes from another file of the package, by its name here. */
  imported: Map<string, { file: string; name: string }>;
  reexported: Map<string, { file: string; name: string }>;
  wholes: string[];
};

/** A declaration as a reader meets it. */
export type Declared = {
  name: string;
  /** What the comment before it says, in Markdown; '' if there is none. */
  words: string;
  /** The declaration, with the comments inside of it. */
  text: string;
};

/** @returns the report of one door, and the calls in it that have no documentation */
export function reportDoor(library: string, door: string): { text: string; undocumented: string[] } {
  const { own, others } = reachFrom(library, door);
  const lines = (statements: Statement[]) => statements.map(({ text }) => text).join('\n\n');
  return {
    text: `// Exported\n\n${lines(own)}\n\n// Named by these\n\n${lines(others)}\n`,
    undocumented: [...own, ...others].flatMap(findUndocumented).sort(),
  };
}

/** @returns what a door exports, and what these name without exporting it, each by name */
export function readDoor(library: string, door: string): { exported: Declared[]; named: Declared[] } {
  const { own, others } = reachFrom(library, door);
  return { exported: own.map(declare), named: others.map(declare) };
}

function declare({ name, documented }: Statement): Declared {
  const [, comment = ''] = /^\/\*\*([\s\S]*?)\*\/\n/.exec(documented) ?? [];
  const words = comment.replace(/^[ \t]*\* ?/gm, '').trim();
  const text = documented
    .slice(comment === '' ? 0 : documented.indexOf('*/\n') + 3)
    .replace(/^(?:export )?(?:declare )?/, '')
    .trim();
  return {
    name,
    words: words
      .replace(/^@(param|returns|throws)\b/gm, '\n- **$1**')
      .replace(/ @(param|returns|throws)\b/g, '\n- **$1**'),
    text,
  };
}

/** What a door exports, and everything that these name. */
function reachFrom(library: string, door: string): { own: Statement[]; others: Statement[] } {
  const sources = new Map<string, Source>();
  const open = (file: string): Source => {
    const known = sources.get(file);
    if (known) return known;
    const source = readSource(library, file);
    sources.set(file, source);
    return source;
  };
  const find = (file: string, name: string): Statement | undefined => {
    const source = open(file);
    const elsewhere = source.reexported.get(name) ?? source.imported.get(name);
    if (elsewhere) return find(elsewhere.file, elsewhere.name);
    return source.statements.get(name) ?? source.wholes.map((whole) => find(whole, name)).find(Boolean);
  };
  const exported = namesOf(open, door)
    .sort()
    .map((name) => [name, find(door, name)] as const);
  const reached = new Set(exported.map(([, statement]) => statement).filter((statement) => statement !== undefined));
  const own = new Set(reached);
  for (const { file, text } of reached) {
    const { statements, imported } = open(file);
    for (const [name] of text.matchAll(/[A-Za-z_$][\w$]*/g)) {
      const named = statements.has(name) || imported.has(name) ? find(file, name) : undefined;
      if (named) reached.add(named);
    }
    for (const [, path = '', name = ''] of text.matchAll(/import\("(\.[^"]+)"\)\.(\w+)/g)) {
      const named = find(declarationOf(file, path), name);
      if (named) reached.add(named);
    }
  }
  const others = [...reached].filter((statement) => !own.has(statement)).sort(byName);
  return { own: [...own].sort(byName), others };
}

const byName = (one: Statement, other: Statement): number =>
  one.name.localeCompare(other.name, 'en') || one.file.localeCompare(other.file, 'en');

const declarationOf = (file: string, path: string): string =>
  posix.join(posix.dirname(file), path).replace(/\.js$/, '.d.ts');

/** The names that a file exports. */
function namesOf(open: (file: string) => Source, file: string): string[] {
  const { statements, reexported, wholes } = open(file);
  const own = [...statements.values()].filter(({ isExported }) => isExported).map(({ name }) => name);
  return [...new Set([...own, ...reexported.keys(), ...wholes.flatMap((whole) => namesOf(open, whole))])];
}

function readSource(library: string, file: string): Source {
  const source: Source = { statements: new Map(), imported: new Map(), reexported: new Map(), wholes: [] };
  for (const documented of splitStatements(readFileSync(join(library, file), 'utf8'))) {
    const text = withoutComments(documented).trim();
    const from = /\bfrom '(\.[^']+)';$/.exec(text)?.[1];
    const target = from && declarationOf(file, from);
    if (target && text.startsWith('export *')) source.wholes.push(target);
    else if (target) {
      const into = text.startsWith('import') ? source.imported : source.reexported;
      for (const each of /\{([^}]*)\}/.exec(text)?.[1]?.split(',') ?? []) {
        const [name = '', as = name] = each
          .trim()
          .replace(/^type /, '')
          .split(' as ');
        if (name) into.set(as, { file: target, name });
      }
    } else {
      const [, exported, name] =
        /^(export )?(?:declare )?(?:abstract )?(?:type|interface|class|const|let|function) ([\w$]+)/.exec(text) ?? [];
      if (name)
        source.statements.set(name, {
          file,
          name,
          isExported: exported !== undefined,
          text: text.replace(/^(?:export )?(?:declare )?/, ''),
          documented,
        });
    }
  }
  return source;
}

/** The statements of a declaration file, each with the comment before it. */
function splitStatements(text: string): string[] {
  const statements: string[] = [];
  let comment = '';
  let isComment = false;
  for (const line of text.split('\n')) {
    if (line.startsWith('/*')) isComment = true;
    if (isComment) {
      comment += `${line}\n`;
      if (line.endsWith('*/')) isComment = false;
    } else if (/^(?:export|import|declare|type|interface|class)\b/.test(line)) {
      statements.push(`${comment}${line}`);
      comment = '';
    } else if (line !== '' && !line.startsWith('//') && statements.length > 0)
      statements.push(`${statements.pop()}\n${line}`);
  }
  return statements;
}

const withoutComments = (text: string): string => text.replace(/[ \t]*\/\*\*[\s\S]*?\*\/\n?/g, '');

/** A function at the margin, and functions that are members of what is at the margin: each needs a comment before it. */
function findUndocumented({ name, documented }: Statement): string[] {
  const lines = documented.split('\n');
  const isCall = (line: string) =>
    /^(?:export )?(?:declare )?function /.test(line) ||
    /^ {4}(?:readonly )?(?!constructor\b|private\b)[\w$]+\??(?:: )?(?:<[^()]*>)?\((?!\s*\))?/.test(
      line.replace(/: \(\(/, ': ('),
    );
  return lines.flatMap((line, at) => {
    if (!isCall(line) || /\*\/\s*$/.test(lines[at - 1] ?? '')) return [];
    const member = /^ {4}(?:readonly )?([\w$]+)/.exec(line)?.[1];
    return [member ? `${name}.${member}` : name];
  });
}
