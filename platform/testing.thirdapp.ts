import { readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { addApp, planApp } from '@aether/database';
import { atEnd, type TestDatabase } from '@aether/database/testing';
import type pg from 'pg';

export type ThirdApp = {
  /** Its name, which only this run uses, because roles belong to the whole server, which other runs may share. */
  name: string;
  /** The address of the database for its login. */
  url: string;
  /** One connection as the owner of everything: the migrator may have five connections on the whole server. */
  owner: pg.Client;
  /** The code that docs/third-app.md shows. */
  // biome-ignore lint/suspicious/noExplicitAny: the page decides what it exports.
  load(): Promise<any>;
};

/** Adds an app to a database as `aether app add` does, with the tables of docs/third-app.md; its name begins with `billing`. */
export async function addThirdApp(database: TestDatabase, name = `billing${process.pid}`): Promise<ThirdApp> {
  const page = await readFile(new URL('../docs/third-app.md', import.meta.url), 'utf8');
  const blocksOf = (language: string) =>
    [...page.matchAll(new RegExp(`\`\`\`${language}\\n(.*?)\`\`\``, 'gs'))].map(([, block]) =>
      (block as string).replaceAll('billing', name),
    );
  const password = 'change me';
  await addApp(database.url('aether_admin'), database.url('platform_migrator'), planApp(name), { password });
  const owner = await database.connect('platform_migrator');
  await owner.query(`set role platform_owner; ${blocksOf('sql').join('\n')}`);
  const url = new URL(database.directUrl('support_app'));
  Object.assign(url, { username: `${name}_app`, password: encodeURIComponent(password) });
  atEnd(async () => {
    const admin = await database.connect('aether_admin');
    await owner.query(`reset role; set role platform_owner; delete from platform.app_clients; delete from platform.app_events;
      delete from platform.merge_references where relation like '${name}.%';
      drop schema ${name} cascade; alter table platform.apps disable trigger keep_app;
      delete from platform.apps where name = '${name}'; call platform.write_app_functions()`);
    await admin.query(`drop role ${name}_app; drop role ${name}_role`);
  });
  return {
    name,
    url: url.href,
    owner,
    async load() {
      const file = join(tmpdir(), `${name}.ts`);
      await writeFile(
        file,
        blocksOf('ts')
          .filter((block) => block.includes('export '))
          .join('\n'),
      );
      return import(file).finally(() => rm(file));
    },
  };
}
