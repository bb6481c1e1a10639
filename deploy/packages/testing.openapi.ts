import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { atEnd } from '@aether/database/testing';
import { startFoundation } from '@aether/foundation';
import { createLog } from '@aether/http';
import { startTestIssuer } from '@aether/signin/testing';
import { startSupport } from '@aether/support';
import { startConsole } from '@aether/sync/console';
import { startTestPlatform } from '@aether/sync/testing';
import { beforeAll, expect, test } from 'vitest';
import { installOnce, root, run, strict, toolsFolder } from './testing.tools.ts';

/*
 * The HTTP interfaces as the developer of another app meets them: their OpenAPI documents under the linters of others, a client that is
 * generated from them and compiled strictly, and the commands of docs/http.md, all against running servers.
 */

const tools = toolsFolder('openapi');
const wanted = {
  '@redocly/cli': '2.77.0',
  '@stoplight/spectral-cli': '6.16.3',
  '@types/node': '22.20.7',
  'openapi-fetch': '0.17.0',
  'openapi-typescript': '7.13.0',
  typescript: '5.9.3',
  'typescript-7': 'npm:typescript@7.0.2',
};
const tool = (...path: string[]) => join(tools, 'node_modules', ...path);
const apps = ['foundation', 'support', 'console'];
const scopes = ['customers', 'companies', 'deals', 'activities'].flatMap((each) => [`${each}.read`, `${each}.write`]);

/** A project outside of the repository, with the documents of the servers in it. */
let project: string;
let env: Record<string, string>;
const page = readFileSync(join(root, 'docs', 'http.md'), 'utf8');
const blocks = (language: string) =>
  [...page.matchAll(new RegExp(`\`\`\`${language}\n(.*?)\`\`\``, 'gs'))].map(([, block]) => block as string);

beforeAll(async () => {
  project = mkdtempSync(join(tmpdir(), 'aether-openapi-'));
  atEnd(async () => rmSync(project, { recursive: true, force: true }));
  await installOnce(tools, wanted);
  symlinkSync(tool(), join(project, 'node_modules'));
  const { database, superuser } = await startTestPlatform();
  const issuer = await startTestIssuer();
  await superuser.query(`
    with pipeline as (insert into crm.pipelines (name, is_default) values ('Sales', true) returning id)
    insert into crm.pipeline_stages (pipeline_id, name, position, outcome)
    select id, s.name, s.position, s.outcome
    from pipeline, (values ('Open', 1, 'open'), ('Won', 2, 'won'), ('Lost', 3, 'lost')) as s (name, position, outcome)`);
  const log = createLog('test');
  log.level = 'silent';
  const start = { foundation: startFoundation, support: startSupport, console: startConsole };
  const urls = await Promise.all(
    (['foundation', 'support', 'console'] as const).map(async (app) => {
      const variables = { PLATFORM_DB_URL: database.url(`${app}_app`), ...issuer.variables };
      const server = await start[app]({ variables, port: 0, log });
      atEnd(() => server.close());
      writeFileSync(join(project, `${app}.json`), await (await fetch(`${server.url}/openapi.json`)).text());
      return server.url;
    }),
  );
  const [FOUNDATION_URL = '', , CONSOLE_URL = ''] = urls;
  const tokenWith = (roles: string[]) => issuer.tokenFor('service', { roles });
  const CONSOLE_TOKEN = await tokenWith(['events.read', 'customers.read']);
  env = { FOUNDATION_URL, CONSOLE_URL, TOKEN: await tokenWith(scopes), CONSOLE_TOKEN };
});

test.each(apps)('the OpenAPI document of %s is clean under Redocly with its recommended rules', async (app) => {
  const redocly = tool('@redocly', 'cli', 'bin', 'cli.js');
  const said = await run(process.execPath, [redocly, 'lint', `${app}.json`, '--format=json'], project, {
    REDOCLY_TELEMETRY: 'off',
    REDOCLY_SUPPRESS_UPDATE_NOTICE: 'true',
  });
  expect(JSON.parse(said.slice(said.indexOf('{'))).problems).toEqual([]);
});

test.each(apps)('the OpenAPI document of %s is clean under Spectral with spectral:oas', async (app) => {
  writeFileSync(join(project, '.spectral.yaml'), 'extends: ["spectral:oas"]\n');
  const spectral = tool('@stoplight', 'spectral-cli', 'dist', 'index.js');
  const said = await run(
    process.execPath,
    [spectral, 'lint', `${app}.json`, '--fail-severity=hint', '--format=json'],
    project,
  );
  expect(JSON.parse(said.slice(0, said.lastIndexOf(']') + 1))).toEqual([]);
});

test('the commands of docs/http.md do what the page says', async () => {
  const commands = blocks('sh').filter((block) => !block.includes('npx'));
  const said = await run('bash', ['-eu', '-o', 'pipefail', '-c', commands.join('\necho\n')], project, env);
  expect(said.match(/^HTTP\/1\.1 201/gm)).toHaveLength(2);
  expect(said.match(/^idempotency-replayed: true/gim)).toHaveLength(1);
  expect(said.match(/"name":"Order 4711"/g)).toHaveLength(2);
  expect(said).toContain('"phone":"+49 30 5550100"');
  expect(said).toMatch(/\}412$/m);
  expect(said).toContain('"is_last":');
});

test.each(['typescript', 'typescript-7'])(
  'the program of docs/http.md compiles strictly under %s with a generated client, and does what it says',
  async (compiler) => {
    const folder = join(project, `client-${compiler}`);
    mkdirSync(folder);
    for (const app of ['foundation', 'console'])
      await run(
        process.execPath,
        [
          tool('openapi-typescript', 'bin', 'cli.js'),
          `../${app}.json`,
          '--default-non-nullable',
          'false',
          '-o',
          `${app}.d.ts`,
        ],
        folder,
      );
    writeFileSync(join(folder, 'main.ts'), blocks('ts').join('\n').replaceAll('grace@', `grace-${compiler}@`));
    const compilerOptions = { ...strict, module: 'nodenext', lib: ['es2024', 'dom'], types: ['node'], outDir: 'built' };
    writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify({ compilerOptions, include: ['*.ts'] }));
    writeFileSync(join(folder, 'package.json'), '{ "type": "module" }');
    await run(process.execPath, [tool(compiler, 'bin', 'tsc')], folder);
    expect((await run(process.execPath, ['built/main.js'], folder, env)).split('\n')).toEqual([
      `201 grace-${compiler}@example.com`,
      'true true',
      '2 precondition-failed 2',
      'customer.updated Grace Hopper',
      '',
    ]);
  },
);
