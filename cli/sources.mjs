// What `npm start` loads before its script, so that our own sources take less memory: V8 keeps each for as long as the process runs.
import { hash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import nodeModule, { getCompileCacheDir, registerHooks } from 'node:module';
import { join } from 'node:path';

// The function is not stable yet: a Node that has it no more removes the types itself, which costs memory only.
const { stripTypeScriptTypes } = nodeModule;
const compiled = stripTypeScriptTypes && getCompileCacheDir();
// What another form of this file has written is not read.
const folder = compiled && join(compiled, `stripped-${hash('sha1', readFileSync(import.meta.filename)).slice(0, 8)}`);

/** What is kept ends so: a crash of the machine may leave a file without its text, which would be a module that does nothing. */
const end = '\n// whole\n';

// Node says at each first start that the function is not stable yet. Which Node runs this, launch.mjs says, and a test holds what it gives.
const { emitWarning } = process;
process.emitWarning = (warning, ...how) => {
  if (!String(warning).startsWith('stripTypeScriptTypes ')) emitWarning.call(process, warning, ...how);
};

registerHooks({
  resolve(specifier, context, next) {
    // Messages of zod in 57 languages, of which the servers speak one. Another zod may have them elsewhere.
    if (specifier === '../locales/index.js' && context.parentURL?.includes('/node_modules/zod/'))
      try {
        return next('../locales/en.js', context);
      } catch {}
    return next(specifier, context);
  },
  load(url, context, next) {
    const loaded = next(url, context);
    const { format, source } = loaded;
    if (format !== 'module-typescript' || !folder) return loaded;
    const stripped = withoutTypes(textOf(source));
    return stripped === undefined ? loaded : { ...loaded, format: 'module', source: stripped };
  },
});

/**
 * The source without its types. Node would keep a copy of its own until the process ends, to write it on the way out. Undefined of what cannot be
 * taken: Node tries it as it is, and its refusal names the file.
 */
function withoutTypes(source) {
  const file = join(folder, hash('sha1', source));
  try {
    const kept = readFileSync(file, 'utf8');
    if (kept.endsWith(end)) return kept;
  } catch {}
  try {
    const stripped = stripTypeScriptTypes(inOneByte(source)) + end;
    keep(file, stripped);
    return stripped;
  } catch {
    return undefined;
  }
}

/** Whole or not at all: another process may read it meanwhile. A folder that cannot be written costs the next start its time only. */
function keep(file, text) {
  try {
    if (!existsSync(folder)) mkdirSync(folder, { recursive: true });
    const draft = `${file}.${process.pid}`;
    writeFileSync(draft, text);
    renameSync(draft, file);
  } catch {}
}

/**
 * A character outside of ASCII, often a dash in a comment, makes V8 hold the whole source with two bytes a character. Its escape means the same in
 * strings, patterns, names and comments; in what is quoted raw, or behind a backslash, it does not, so that such a source stays as it is.
 */
function inOneByte(source) {
  if (!isWide(source) || /\braw\b|\\[^\0-\x7f]|(?![\0-\x7f])\s/.test(source)) return source;
  return source.replace(/[^\0-\x7f]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`);
}

function isWide(text) {
  return /[^\0-\x7f]/.test(text);
}

function textOf(source) {
  return typeof source === 'string'
    ? source
    : Buffer.from(source.buffer, source.byteOffset, source.byteLength).toString();
}
