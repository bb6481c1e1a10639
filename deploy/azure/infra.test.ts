import { execFileSync } from 'node:child_process';
import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { readFileSettings } from '@aether/files/settings';
import { beforeAll, expect, test } from 'vitest';
import { parse } from 'yaml';
import { type Check, type Files, openCheck } from './check.ts';
import { labelsFor } from './principals.ts';
import published from './types.json' with { type: 'json' };
import type { AzureType } from './types.ts';

const read = (path: string) => readFileSync(join(import.meta.dirname, path), 'utf8');
const names = globSync('*.bicep', { cwd: join(import.meta.dirname, 'infra') });
/** By the names that modules have, seen from infra/. */
const files: Files = {
  ...Object.fromEntries(names.map((name) => [name, read(`infra/${name}`)])),
  '../alerts.bicep': read('alerts.bicep'),
};
let check: Check;
beforeAll(async () => {
  check = await openCheck(published.types as Record<string, AzureType>);
});

test('every file parses, names only what is declared, and gives each resource properties of its published type', () => {
  expect(names.length).toBeGreaterThan(8);
  expect(Object.keys(files).flatMap((file) => check(file, files))).toEqual([]);
});

test.each<[string, string, string, RegExp]>([
  ['a bracket that is open', 'registry.bicep', "sku: { name: 'Basic' }", /is no Bicep/],
  ['a property that the type has not', 'registry.bicep', 'adminUserEnabled: false', /adminEnabled is no property here/],
  ['a value that it may not have', 'database.bicep', "version: '18'", /version is one of|version is/],
  ['a text where a number belongs', 'apps.bicep', 'targetPort: 8080', /targetPort is a number/],
  ['what is missing', 'registry.bicep', 'sku: {', /sku is missing/],
  ['what cannot be written', 'bus.bicep', 'disableLocalAuth: true', /provisioningState cannot be written/],
  ['a name that nobody declares', 'registry.bicep', 'principalId: puller', /pullerr is not declared/],
  ['a function that is none', 'registry.bicep', 'guid(registry.id', /guidd is not declared/],
  [
    'a parameter that the module has not',
    'main.bicep',
    'pullers: identities',
    /registry\.bicep has no parameter pulls/,
  ],
  [
    'a parameter that the module needs',
    'main.bicep',
    'pullers: identities',
    /registry\.bicep needs the parameter pullers/,
  ],
  [
    'an output that the module has not',
    'main.bicep',
    'network.outputs.appsSubnetId',
    /network\.bicep has no output subnetId/,
  ],
  ['a module that is not there', 'main.bicep', "'bus.bicep'", /there is no file bus2\.bicep/],
  [
    'a storage account with a property that is none',
    'files.bicep',
    'allowSharedKeyAccess',
    /allowKeys is no property here/,
  ],
  ['a way to be public that there is not', 'files.bicep', "publicAccess: 'None'", /publicAccess is one of/],
  ['days of soft delete as a text', 'files.bicep', 'enabled: true, days: 35 ', /days is a number/],
  ['an endpoint to no zone', 'files.bicep', 'privateDnsZoneId: zone.id', /zones is not declared/],
  ['an output of a module that may be absent', 'main.bicep', 'files!.outputs.url', /files\.bicep has no output uri/],
  [
    'an element of a list of resources by a variable of a lambda',
    'jobs.bicep',
    "join(principals, ',')",
    /identities\[n\] is an element of a list of resources .*BCP247/,
  ],
  [
    'a version that is not published',
    'bus.bicep',
    '@2024-01-01',
    /there is no published type Microsoft\.ServiceBus\/namespaces@2000-01-01/,
  ],
])('%s is found', (_, file, text, words) => {
  const changes: Record<string, string> = {
    "sku: { name: 'Basic' }": "sku: { name: 'Basic'",
    'adminUserEnabled: false': 'adminEnabled: false',
    "version: '18'": 'version: 18',
    'targetPort: 8080': "targetPort: '8080'",
    'sku: {': 'tags2: {',
    'disableLocalAuth: true': "provisioningState: 'x'",
    'principalId: puller': 'principalId: pullerr',
    'guid(registry.id': 'guidd(registry.id',
    'pullers: identities': 'pulls: identities',
    'network.outputs.appsSubnetId': 'network.outputs.subnetId',
    "'bus.bicep'": "'bus2.bicep'",
    '@2024-01-01': '@2000-01-01',
    allowSharedKeyAccess: 'allowKeys',
    "publicAccess: 'None'": "publicAccess: 'Private'",
    'enabled: true, days: 35 ': "enabled: true, days: '35' ",
    'privateDnsZoneId: zone.id': 'privateDnsZoneId: zones.id',
    'files!.outputs.url': 'files!.outputs.uri',
    "join(principals, ',')": `join(map(names, n => '\${identities[n].id}'), ',')`,
  };
  expect(files[file]).toContain(text);
  const changed = { ...files, [file]: (files[file] as string).replace(text, changes[text] as string) };
  expect(check(file, changed).join('\n')).toMatch(words);
});

test('settings of PostgreSQL are made one after another, all extensions in one value, and the administrator last', () => {
  const { 'database.bicep': database = '' } = files;
  expect(database).toMatch(/@batchSize\(1\)\nresource configurations /);
  expect(database.match(/'azure\.extensions'/g)).toHaveLength(1);
  expect(database).toMatch(/resource administrator [\s\S]*dependsOn: \[configurations\]/);
  expect(database).toContain("passwordAuth: 'Disabled'");
  for (const [name, value] of [
    ['pgbouncer.max_prepared_statements', '0'],
    ['log_error_verbosity', 'terse'],
    ['log_parameter_max_length_on_error', '0'],
    ['pg_stat_statements.track_utility', 'off'],
  ])
    expect(database).toContain(`{ name: '${name}', value: '${value}' }`);
});

test('the apps go through the pooler, and what listens, locks or migrates goes past it', () => {
  const addresses = [
    ...`${files['apps.bicep']}${files['jobs.bicep']}`.matchAll(
      /name: '([A-Z_]+_URL)', value: 'postgresql:\/\/[^@]+@\$\{(\w+)\}(:\d+)?/g,
    ),
  ];
  const portOf = (host = '', port = '') => (host === 'direct' ? ':5432' : port);
  expect(addresses.map(([, name, host, port]) => `${name}${portOf(host, port)}`)).toEqual([
    'PLATFORM_DB_URL:6432',
    'PLATFORM_DB_LISTEN_URL:5432',
    'PLATFORM_DB_URL:5432',
    'PLATFORM_ADMIN_URL:5432',
    'PLATFORM_MIGRATOR_URL:5432',
  ]);
});

test('a process has as long to end as it needs, and every setting that it gets is one of the docs', () => {
  const { 'apps.bicep': apps = '' } = files;
  const closeAfterMs = Number(/CLOSE_AFTER_MS', value: '(\d+)'/.exec(apps)?.[1]);
  for (const [, seconds] of apps.matchAll(/terminationGracePeriodSeconds: (\d+)/g))
    expect(Number(seconds) * 1_000).toBeGreaterThan(closeAfterMs + 6_000);
  const docs = ['configuration.md', 'signin.md', 'files.md', 'azure.md']
    .map((page) => read(`../../docs/${page}`))
    .join('');
  const settings = [...`${apps}${files['jobs.bicep']}`.matchAll(/\{ name: '([A-Z_]+)', (?:value|secretRef)/g)].map(
    ([, name]) => name as string,
  );
  expect(settings.length).toBeGreaterThan(15);
  expect(settings.filter((name) => !docs.includes(`\`${name}\``))).toEqual([]);
});

test('blobs have no keys and no public address, stay removed after as many days as a backup, and belong to the two apps alone', () => {
  const { 'files.bicep': blobs = '', 'database.bicep': database = '' } = files;
  for (const line of [
    'allowBlobPublicAccess: false',
    'allowSharedKeyAccess: false',
    "minimumTlsVersion: 'TLS1_2'",
    "publicNetworkAccess: 'Disabled'",
    "properties: { publicAccess: 'None' }",
    // A removed blob would stay as an old version, and nothing ends that.
    'isVersioningEnabled: false',
  ])
    expect(blobs).toContain(line);
  const [, days] = /backupRetentionDays: (\d+)/.exec(database) ?? [];
  expect([...blobs.matchAll(/RetentionPolicy: \{ enabled: true, days: (\d+)/gi)].map(([, each]) => each)).toEqual([
    days,
    days,
  ]);
  expect(blobs).toMatch(/roleAssignments@[\d-]+' = \[for writer in writers: \{[^}]*\n {2}scope: container\n/);
  const [, logins = ''] = /var logins = \[(.*)\]/.exec(files['identities.bicep'] ?? '') ?? [];
  const [, writers = ''] = /output filesPrincipals array = \[(.*)\]$/m.exec(files['identities.bicep'] ?? '') ?? [];
  const nameAt = (at = '') => logins.split(', ')[Number(at)];
  expect([...writers.matchAll(/identities\[(\d)\]/g)].map(([, at]) => nameAt(at))).toEqual([
    "'foundation'",
    "'support'",
  ]);
});

test('the apps that take files get the address of the account, and keep them in the container that is made', () => {
  const { 'apps.bicep': apps = '', 'files.bicep': blobs = '' } = files;
  const [, container] = /containers@[\d-]+' = \{\n {2}parent: blobs\n {2}name: '([^']+)'/.exec(blobs) ?? [];
  // Azure's own words for the address of an account end with a slash.
  const url = 'https://aetherx.blob.core.windows.net/';
  expect(readFileSettings({ FILES_AZURE_ACCOUNT_URL: url }).azure).toEqual({ container, accountUrl: url });
  expect(apps).toMatch(
    /filesUrl != '' && app\.hasFiles \? \[\s+\{ name: 'FILES_AZURE_ACCOUNT_URL', value: filesUrl \}/,
  );
  const keepers = [...apps.matchAll(/name: '(\w+)', file: .* hasFiles: (true|false)/g)].map(([, ...each]) => each);
  expect(keepers).toEqual([
    ['foundation', 'true'],
    ['support', 'true'],
    ['console', 'false'],
  ]);
});

test('all of e-mail is a secret of the app that has it, and without AETHER_MAIL there is none', () => {
  const { 'apps.bicep': apps = '' } = files;
  const name = "toLower(replace(each.key, '_', '-'))";
  expect(apps).toMatch(/@secure\(\)\n@description\([^\n]*\)\nparam mail object\n/);
  expect(apps).toContain(`map(items(mail[?app.name] ?? {}), each => { name: ${name}, value: '\${each.value}' })`);
  expect(apps).toContain(`map(items(mail[?app.name] ?? {}), each => { name: each.key, secretRef: ${name} })`);
  const hook = read('hooks/release.sh');
  const defaults = /^: "\$\{AETHER_FILES_URL=\}".*$/m.exec(hook)?.[0];
  const empty = /^\[ -n "\$AETHER_MAIL" \].*$/m.exec(hook)?.[0];
  const mailOf = (env: Record<string, string>) =>
    execFileSync('sh', ['-euc', `${defaults}\n${empty}\nprintf '%s|%s' "$AETHER_MAIL" "$AETHER_FILES_URL"`], {
      env: { PATH: process.env.PATH, ...env },
      encoding: 'utf8',
    });
  expect(mailOf({})).toBe('{}|');
  expect(mailOf({ AETHER_MAIL: '{"support":{}}', AETHER_FILES_URL: 'https://a/' })).toBe('{"support":{}}|https://a/');
});

test('azd is given files that exist, and the hook reads what main.bicep gives', () => {
  const { infra, hooks } = parse(read('azure.yaml')) as {
    infra: { path: string; module: string };
    hooks: { postprovision: { run: string } };
  };
  expect(files).toHaveProperty([`${infra.module}.bicep`]);
  const hook = read(hooks.postprovision.run);
  const given = [...(files['main.bicep'] ?? '').matchAll(/^output (\w+)/gm)].map(([, name]) => name as string);
  // What is made only if it is wanted may be empty.
  for (const name of given) expect(hook).toContain(`"\${${name}${name === 'AETHER_FILES_URL' ? '=' : ':?'}`);
  const { parameters } = JSON.parse(read('infra/main.parameters.json')) as { parameters: object };
  const declared = [...(files['main.bicep'] ?? '').matchAll(/^param (\w+)/gm)].map(([, name]) => name as string);
  expect(Object.keys(parameters).sort()).toEqual(declared.sort());
  // What the hook gives to a template, the template declares, and the other way round.
  for (const template of ['jobs', 'apps']) {
    const [, own = ''] = new RegExp(`^deploy infra/${template}\\.bicep(.*)$`, 'm').exec(hook) ?? [];
    const [, shared = ''] = /--parameters (.*) "\$@"/.exec(hook) ?? [];
    const passed = [...`${shared} ${own}`.matchAll(/(\w+)="/g)].map(([, name]) => name as string);
    const needed = [...(files[`${template}.bicep`] ?? '').matchAll(/^param (\w+) \w+$/gm)].map(
      ([, name]) => name as string,
    );
    expect(passed.sort()).toEqual(needed.sort());
  }
});

test('a login is labelled with the identity that may sign in as it; anything else in the list is refused', () => {
  const id = '0F1E2D3C-0000-4000-8000-00000000000A';
  expect(labelsFor(`support_app=${id}, platform_migrator=${id}`)).toEqual([
    `security label for "pgaadauth" on role "support_app" is 'aadauth,oid=${id.toLowerCase()},type=service'`,
    `security label for "pgaadauth" on role "platform_migrator" is 'aadauth,oid=${id.toLowerCase()},type=service'`,
  ]);
  for (const wrong of ['', 'support_app', `support_app=x`, `a";drop=${id}`, `support_app=${id}'`])
    expect(() => labelsFor(wrong)).toThrow(/^AETHER_PRINCIPALS has/);
});
