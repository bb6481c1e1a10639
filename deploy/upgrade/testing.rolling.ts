import { rm } from 'node:fs/promises';
import { migrate, migrationState } from '@aether/database';
import { atEnd, createTestDatabase } from '@aether/database/testing';
import { newTestFolder } from '@aether/database/testing.folder';
import { startTestIssuer } from '@aether/signin/testing';
import { expect, test } from 'vitest';
import { type Build, makeNextBuild, thisBuild } from './testing.builds.ts';
import { launch, type Running, startBalancer } from './testing.fleet.ts';
import { startLoad } from './testing.load.ts';

const peopleMany = 4;

test('an update under load refuses nothing and loses nothing, forwards, back and forwards again, until it contracts; then the old version refuses in words', async () => {
  const folder = await newTestFolder('next');
  atEnd(() => rm(folder, { recursive: true, force: true }));
  const before = await thisBuild();
  const { build: after, expanded, contracted, contracting } = await makeNextBuild(folder);
  const database = await createTestDatabase();
  const issuer = await startTestIssuer();
  const migrator = database.url('platform_migrator');
  const owner = await database.connect('postgres');

  const everything: Running[] = [];
  atEnd(async () => {
    for (const { child } of everything) child.kill('SIGKILL');
  });
  const start = (build: Build, main: string, variables: Record<string, string>) => {
    const running = launch(build, main, variables);
    everything.push(running);
    return running;
  };
  const server = (build: Build) =>
    start(build, 'foundation/server/main.ts', {
      PLATFORM_DB_URL: database.url('foundation_app'),
      PLATFORM_DB_POOL_MAX: '5',
      FOUNDATION_PORT: '0',
      ...issuer.variables,
    });
  const worker = (build: Build) => start(build, 'sync/main.ts', { PLATFORM_DB_URL: database.url('sync_app') });
  const log: string[] = [];
  const balancer = startBalancer();
  const people = await Promise.all(
    Array.from({ length: peopleMany }, async (_, person) => ({
      Authorization: `Bearer ${await issuer.tokenFor(`person${person}`)}`,
    })),
  );

  // The version before, in two processes and a worker.
  const [one, two, oldWorker] = [server(before), server(before), worker(before)];
  await Promise.all([balancer.add(one), balancer.add(two)]);
  const load = startLoad(balancer.pick, people);
  const passes = async (step: string) => {
    await load.goesOn();
    log.push(`${step}: versions ${balancer.versions().join(' and ')}, ${load.requests()} requests`);
    expect([step, load.refused, load.wrong]).toEqual([step, [], []]);
  };
  await passes('before');

  // It expands, while the version before works; then the next version comes beside it.
  expect((await migrate(migrator, { folder: expanded })).map(({ number }) => number)).toEqual([after.migration]);
  await passes('expanded');
  const [three, four, newWorker] = [server(after), server(after), worker(after)];
  await Promise.all([balancer.add(three), balancer.add(four)]);
  await passes('side by side');
  expect(balancer.versions()).toEqual([before.migration, after.migration]);
  await Promise.all([balancer.remove(one), balancer.remove(two)]);
  await passes('the next version alone');

  // Back: the version before runs on the newer database, and its migrator takes nothing back.
  const back = server(before);
  await balancer.add(back);
  await Promise.all([balancer.remove(three), balancer.remove(four)]);
  expect(await migrate(migrator)).toEqual([]);
  expect((await migrationState(migrator)).newer.map(({ number }) => number)).toEqual([after.migration]);
  await passes('rolled back');

  // Forwards again, and when nobody uses the former name any more, it contracts.
  const five = server(after);
  await balancer.add(five);
  await balancer.remove(back);
  const forgotten = server(before);
  await expect.poll(() => forgotten.url).not.toBe('');
  expect((await migrate(migrator, { folder: contracted })).map(({ number }) => number)).toEqual([contracting]);
  await passes('contracted');

  // What is too old says so: a server that was forgotten takes no more traffic, a worker ends, a new process does not begin.
  await expect.poll(async () => (await fetch(`${forgotten.url}/readyz`)).status).toBe(503);
  const tooOld = new RegExp(
    `Migration ${contracting} \\(view_names_gone\\) of the platform database breaks apps made for less than migration ${after.migration}, .*: deploy a newer version`,
  );
  await expect.poll(() => forgotten.output()).toMatch(tooOld); // the line comes by a pipe, perhaps after the answer
  expect(await oldWorker.ends).toBe(1);
  expect(oldWorker.output()).toMatch(tooOld);
  const late = server(before);
  expect(await late.ends).toBe(1);
  expect(late.output()).toMatch(tooOld);
  await expect(migrate(migrator)).rejects.toThrow(/breaks apps of this version: deploy the newer version/);
  await passes('after all');

  // Nothing was lost: each customer that was acknowledged is there, with one event, numbered densely; each view has its last name.
  const { customers, views } = await load.end();
  expect([load.refused, load.wrong]).toEqual([[], []]);
  await expect
    .poll(async () => (await owner.query('select count(*)::int as waiting from sync.outbox')).rows)
    .toEqual([{ waiting: 0 }]);
  const { rows: events } = await owner.query<{ key: string; times: number }>(
    `select row_id as key, count(*)::integer as times from sync.events where type = 'customer.created' group by 1`,
  );
  expect(events.filter(({ times }) => times !== 1)).toEqual([]);
  expect(new Set(events.map(({ key }) => key))).toEqual(new Set(customers));
  const { rows: dense } = await owner.query(
    'select count(*) = max(position) - min(position) + 1 as dense, count(distinct position) = count(*) as once from sync.events',
  );
  expect(dense).toEqual([{ dense: true, once: true }]);
  const { rows: saved } = await owner.query<{ id: string; title: string }>(
    'select id::text, title from crm.saved_views',
  );
  expect(new Map(saved.map(({ id, title }) => [id, title]))).toEqual(views);
  console.log(`${log.join('\n')}\n${customers.length} customers, ${views.size} views left`);

  await balancer.end();
  await Promise.all([newWorker.stop(), forgotten.stop()]);
});
