#!/usr/bin/env node
import pg from 'pg';
import { checkCopy, sayReport } from './check.ts';
import { follow, prepareDatabase } from './following.ts';
import { findCustomer, servePage } from './page.ts';
import { connectPlatform } from './platform.ts';
import { readSettings, type Settings } from './settings.ts';

const usage = `billing serve            follow the platform, and show customers on a page of this machine
billing show <customer>  a customer by id or address, as JSON
billing check [--repair] compare the copy with the platform, in words; ends with 1 when it differs and was not repaired`;

async function run([command = 'serve', ...rest]: string[]): Promise<number> {
  if (!['serve', 'show', 'check'].includes(command)) {
    console.error(usage);
    return 2;
  }
  const settings = readSettings(process.env);
  const pool = new pg.Pool({
    connectionString: settings.databaseUrl,
    max: 4,
    connectionTimeoutMillis: 5_000,
    query_timeout: 30_000,
  });
  pool.on('error', () => {}); // a connection at rest is gone: the next query opens another one
  try {
    await prepareDatabase(pool);
    if (command === 'show') return await show(pool, rest[0] ?? '');
    if (command === 'check') return await check(pool, settings, rest.includes('--repair'));
    return await serve(pool, settings);
  } finally {
    await pool.end();
  }
}

async function show(pool: pg.Pool, asked: string): Promise<number> {
  const shown = await findCustomer(pool, asked);
  console.log(shown ? JSON.stringify(shown, null, 2) : `Billing knows no customer ${asked}.`);
  return shown ? 0 : 1;
}

async function check(pool: pg.Pool, settings: Settings, repair: boolean): Promise<number> {
  const report = await checkCopy(pool, connectPlatform(settings.platform), { repair });
  for (const sentence of report.differences) console.log(sentence);
  console.log(sayReport(report));
  return report.different > report.repaired ? 1 : 0;
}

async function serve(pool: pg.Pool, settings: Settings): Promise<number> {
  const stopped = Promise.withResolvers<void>();
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => stopped.resolve());
  // A process that was started by another one ends with it.
  process.once('disconnect', () => stopped.resolve());
  const following = follow({ pool, settings, platform: connectPlatform(settings.platform) });
  const page = await servePage(pool, settings.port);
  try {
    await Promise.race([following.ready, stopped.promise]);
    console.log(`Billing follows the platform: ${page.url}`);
    process.send?.({ url: page.url });
    await stopped.promise;
    return 0;
  } finally {
    await Promise.all([page.close(), following.stop()]);
  }
}

try {
  process.exitCode = await run(process.argv.slice(2));
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
}
if (process.connected) process.disconnect?.();
// A line to the bus that hangs must not keep the process.
setTimeout(() => process.exit(), 2_000).unref();
