import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import {
  launcherVariables,
  listVariables,
  portNames,
  readConnections,
  readOfLogin,
  readPort,
  readVariable,
} from './environment.ts';

const sources = globSync('**/*.{ts,mjs}', { cwd: import.meta.dirname })
  .filter((file) => !/\.test\.ts$|(^|\/)testing\.|node_modules|^environment\.ts$/.test(file))
  .map((file) => ({ file: file.replaceAll('\\', '/'), text: readFileSync(join(import.meta.dirname, file), 'utf8') }));

test('the command reads no variable of its environment but those that it lists; the launcher has its own', () => {
  const named = sources.flatMap(({ file, text }) =>
    [...text.matchAll(/\bprocess\.env(?:\.(\w+)|\s*\[)/g)].map(([line, name]) => ({ file, name: name ?? line })),
  );
  expect(named.filter(({ file }) => !file.endsWith('.mjs'))).toEqual([]);
  const ofLauncher = [...new Set(named.map(({ name }) => name))].sort();
  expect(ofLauncher).toEqual(launcherVariables.map(({ name }) => name).sort());
});

test('each variable that it lists is one that the code asks for, once', () => {
  const names = listVariables().map(({ name }) => name);
  expect(names).toEqual([...new Set(names)]);
  const code = sources.map(({ text }) => text).join('\n');
  const asked = (name: string) =>
    code.includes(`'${name}'`) || portNames.some((port) => port === name) || /_(URL|PASSWORD|CONNECTIONS)$/.test(name);
  expect(names.filter((name) => !asked(name))).toEqual([]);
  for (const what of ['URL', 'PASSWORD']) expect(code).toContain(`'${what}')`);
});

test('a port and a number of connections are read, and refused by the name of their variable', () => {
  expect(readPort('IDENTITY_PORT', undefined, {})).toBe(4400);
  expect(readPort('IDENTITY_PORT', undefined, { IDENTITY_PORT: '0' })).toBe(0);
  for (const wrong of ['-1', '65536', 'x', '1.5'])
    expect(() => readPort('IDENTITY_PORT', undefined, { IDENTITY_PORT: wrong })).toThrow(/^IDENTITY_PORT must be/);
  expect(readConnections({ SYNC_APP_CONNECTIONS: '7', SUPPORT_APP_CONNECTIONS: '' })).toEqual({ sync_app: 7 });
  expect(() => readConnections({ SYNC_APP_CONNECTIONS: '0' })).toThrow(/^SYNC_APP_CONNECTIONS must be/);
  expect([readVariable('AETHER_HOME', { AETHER_HOME: '/a' }), readOfLogin('x_app', 'URL', { X_APP_URL: 'u' })]).toEqual(
    ['/a', 'u'],
  );
});
