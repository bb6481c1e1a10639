import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { endings, general, listEndings } from './exitcodes.ts';
import { createProgram, listCommands } from './program.ts';

const sources = globSync('**/*.{ts,mjs}', { cwd: import.meta.dirname })
  .filter((file) => !/\.test\.ts$|(^|\/)testing\.|^testing\.ts$|node_modules/.test(file))
  .map((file) => ({ file: file.replaceAll('\\', '/'), text: readFileSync(join(import.meta.dirname, file), 'utf8') }));

test('every ending that the table has is of a command that there is, can be reached in the code, and is not that of a success', () => {
  const names = listCommands(createProgram()).map(({ name }) => name);
  expect(Object.keys(endings).filter((name) => !names.includes(name))).toEqual([]);
  const code = sources.map(({ text }) => text).join('\n');
  const used = (name: string, ending: string) =>
    code.includes(`'${name}', '${ending}'`) ||
    // The command is one of several that share their work, or the ending is what a check has found.
    code.includes(`\`${name.replace(/(redrive|skip)-all$/, `\${kind}-all`)}\`, '${ending}'`) ||
    code.includes(`\`${name.replace(/(retry|skip|pause|resume)$/, `\${act}`)}\`, '${ending}'`) ||
    (['doctor', 'health'].includes(name) && new RegExp(`endWith\\('${name}', (worst|ending)\\)`).test(code));
  for (const [name, own] of Object.entries(endings))
    for (const [ending, [number]] of Object.entries(own))
      expect([name, ending, used(name, ending), number > 0 && number < 256]).toEqual([name, ending, true, true]);
});

test('a command sets no exit code that the table does not have', () => {
  const foreign = sources.flatMap(({ file, text }) =>
    [...text.matchAll(/\bprocess\s*(?:\.\s*exitCode\s*=(?!=)|\[['"]exitCode['"]\]|\.\s*exit\(\s*[^)\s]).*/g)].map(
      ([line]) => [file, line.trim()],
    ),
  );
  expect(foreign).toEqual([
    ['exitcodes.ts', 'process.exitCode = codeOf(command, ending);'],
    ['exitcodes.ts', `process.exitCode = general.done[0];`],
    ['exitcodes.ts', `process.exitCode = general.failed[0];`],
    // The launcher runs before anything is installed, so that it cannot read the table: a refusal, and Ctrl-C while it installs.
    [
      'launch.mjs',
      `process.exitCode = error instanceof Stopped ? 128 + constants.signals.SIGINT : ${general.failed[0]};`,
    ],
    ['launch.mjs', 'process.exitCode = await new Promise((settle, reject) => {'],
    ['start/stopsignal.ts', `process.exit(codeOf('start', 'cut'));`],
  ]);
});

test('the help of each command says what it ends with: each number once, in order', () => {
  for (const { name, command } of listCommands(createProgram())) {
    let help = '';
    command.configureOutput({ writeOut: (text) => (help += text) }).outputHelp();
    const [, said = ''] = /\nEnds with:\n(.*)$/s.exec(help) ?? [];
    const numbers = [...said.matchAll(/^ {2}(\d+) /gm)].map(([, number]) => Number(number));
    expect([name, numbers]).toEqual([name, listEndings(name).map(({ code }) => code)]);
    expect(numbers).toEqual([...new Set(numbers)].sort((one, other) => one - other));
  }
  expect(listEndings('health').map(({ code }) => code)).toEqual([0, 1, 2, 3]);
  expect(listEndings('migrate up').map(({ code }) => code)).toEqual([0, 1]);
});
