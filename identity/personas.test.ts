import { beforeAll, expect, test } from 'vitest';
import { titleOf } from './personas.ts';
import { personas, startTestApps, type TestApps } from './testing.apps.ts';
import { openBrowser } from './testing.browser.ts';

let apps: TestApps;
let superuser: Awaited<ReturnType<TestApps['database']['connect']>>;
beforeAll(async () => {
  apps = await startTestApps();
  superuser = await apps.database.connect('postgres');
});

const users = async () => (await superuser.query('select * from platform.users order by created_at')).rows;

test('one person is one user in both apps, although the subject differs from app to app', async () => {
  const browser = openBrowser();
  await browser.signIn(apps.foundation.url, 'Jonas');
  await browser.signIn(apps.support.url, 'Jonas');
  const [inFoundation, inSupport] = await Promise.all(
    [apps.foundation.url, apps.support.url].map((url) => browser.call(url, 'GET', '/signin/me')),
  );
  expect(inFoundation?.body.user).toEqual(inSupport?.body.user);
  expect(await users()).toHaveLength(1);

  // This proves that the subjects differ: without tenant and object id these are two people.
  const subjects = new Set<string>();
  for (const url of [apps.foundation.url, apps.support.url]) {
    await superuser.query('delete from platform.sign_ins; delete from platform.users');
    await openBrowser().signIn(url, 'Jonas');
    subjects.add((await users())[0].id);
  }
  expect(subjects.size).toBe(2);
});

test('no two personas have the same object id', () => {
  expect(new Set(personas.map((each) => each.objectId)).size).toBe(personas.length);
});

test.each(['foundation', 'support'] as const)('a person sees that it is %s that asks who they are', async (app) => {
  const { html } = await openBrowser().open(`${apps[app].url}/signin`);
  const title = `Sign in to ${app === 'support' ? 'Support' : 'Foundation'}`;
  expect(html).toContain(title);
});

test('an app of another name is named as well', () => expect(titleOf('console')).toBe('Console'));
