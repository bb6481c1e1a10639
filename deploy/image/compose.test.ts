import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { readListening } from '@aether/http';
import { expect, test } from 'vitest';
import { parse } from 'yaml';
import { root } from '../production/lock.ts';
import { processes } from '../production/reach.ts';

type Service = {
  image: string;
  command?: string[];
  environment?: Record<string, string>;
  ports?: string[];
  depends_on?: Record<string, { condition: string }>;
  configs?: { source: string; target: string }[];
  volumes?: string[];
  healthcheck?: { test: string[] };
  read_only?: boolean;
  cap_drop?: string[];
  stop_grace_period?: string;
  restart?: string;
};
type Compose = {
  services: Record<string, Service>;
  configs: Record<string, { content?: string; file?: string }>;
  volumes: Record<string, unknown>;
};

const read = (path: string) => readFileSync(join(root, path), 'utf8');
const text = read('compose.yaml');
const { services, configs, volumes } = parse(text, { merge: true }) as Compose;
const ours = Object.entries(services).filter(([, { image }]) => image === 'aether');
const settings = read('docs/configuration.md') + read('docs/signin.md');
/** What the image says for every process. */
const fromImage = Object.fromEntries(
  (/^ENV (.+)$/m.exec(read('Containerfile'))?.[1] ?? '').split(' ').map((each) => each.split('=') as [string, string]),
);

test('every process of production is a service, and each of our services runs one of them', () => {
  const commands = ours.map(([, { command = [] }]) => command.slice(0, 2).join(' '));
  for (const [name, file] of Object.entries(processes))
    expect(commands).toContain(name === 'aether' ? 'aether migrate' : `node ${file}`);
  const known = ['aether migrate', ...Object.values(processes).map((file) => `node ${file}`)];
  expect(commands.filter((command) => !known.includes(command))).toEqual([]);
});

test('our services may change nothing but /tmp, have no capabilities, and 20 seconds to end', () => {
  for (const [name, { read_only, cap_drop, stop_grace_period }] of ours)
    expect([name, read_only, cap_drop, stop_grace_period]).toEqual([name, true, ['ALL'], '20s']);
});

test('each server takes its settings for listening as they are; without its public address it would not', () => {
  for (const app of ['foundation', 'support', 'console']) {
    const variables: Record<string, string> = { ...fromImage, ...services[app]?.environment };
    const publicUrl = new URL(variables[`${app.toUpperCase()}_PUBLIC_URL`] ?? '');
    expect(readListening(app, variables, publicUrl)).toEqual({ host: '0.0.0.0', port: 8080 });
    expect(services[app]?.ports).toEqual([`127.0.0.1:${publicUrl.port}:8080`]);
    expect(() => readListening(app, variables, undefined)).toThrow(/PUBLIC_URL/);
  }
});

test('what has a port has it on this machine only, and what listens for probes is asked whether it is ready', () => {
  for (const [name, { ports = [] }] of Object.entries(services))
    for (const port of ports) expect([name, port]).toEqual([name, expect.stringMatching(/^127\.0\.0\.1:/)]);
  for (const [name, { command = [], healthcheck }] of ours)
    if (command[0] === 'node')
      expect([name, healthcheck?.test.join(' ')]).toEqual([name, expect.stringContaining('127.0.0.1:8080/readyz')]);
});

test('every setting that a service of ours gets is one of the docs, and every variable of .env is in docs/deploying.md', () => {
  const given = ours.flatMap(([, { environment = {} }]) => Object.keys(environment));
  const isKnown = (name: string) => settings.includes(`\`${name}\``) || /^[A-Z]+_APP_PASSWORD$/.test(name);
  expect([...new Set(given)].filter((name) => !isKnown(name))).toEqual([]);
  const asked = [...text.matchAll(/\$\{([A-Z_]+)/g)].map(([, name]) => name as string);
  const page = read('docs/deploying.md');
  expect([...new Set(asked)].filter((name) => !page.includes(name))).toEqual([]);
});

test('what a service names is there: services, configs with their files, volumes', () => {
  for (const { depends_on = {}, configs: used = [], volumes: mounted = [] } of Object.values(services)) {
    for (const [name, { condition }] of Object.entries(depends_on)) {
      expect(services).toHaveProperty(name);
      if (condition === 'service_healthy') expect(services[name]?.healthcheck).toBeDefined();
      if (condition === 'service_completed_successfully') expect(services[name]?.restart).toBe('no');
    }
    for (const { source } of used) expect(configs).toHaveProperty(source);
    for (const volume of mounted) expect(volumes).toHaveProperty(volume.split(':')[0] as string);
  }
  for (const { file, content } of Object.values(configs))
    expect(file === undefined ? content !== undefined : existsSync(join(root, file))).toBe(true);
});

test('Prometheus asks every process that listens, each at its port, with the token', () => {
  const { scrape_configs } = parse(configs.prometheus?.content ?? '') as {
    scrape_configs: {
      authorization: { credentials_file: string };
      static_configs?: { targets: string[] }[];
      dns_sd_configs?: { names: string[]; port: number }[];
    }[];
  };
  const targets = scrape_configs.flatMap(({ static_configs = [], dns_sd_configs = [] }) => [
    ...static_configs.flatMap((each) => each.targets),
    ...dns_sd_configs.flatMap(({ names, port }) => names.map((name) => `${name}:${port}`)),
  ]);
  const portOf = ({ environment = {} }: Service) => environment.METRICS_PORT ?? fromImage.PORT;
  const listening = ours.filter(([, { command = [] }]) => command[0] === 'node');
  expect(targets.sort()).toEqual(listening.map(([name, service]) => `${name}:${portOf(service)}`).sort());
  for (const { authorization } of scrape_configs) expect(authorization.credentials_file).toBe('/etc/prometheus/token');
});
