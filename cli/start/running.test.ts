import { readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { atEnd } from '@aether/database/testing';
import { beforeAll, describe, expect, test } from 'vitest';
import { aether, readEnv, startedHome } from '../testing.ts';

let home: string;
beforeAll(async () => {
  home = await startedHome();
  const command = aether(home, ['start']);
  atEnd(async () => {
    command.child.kill('SIGTERM');
    await command.ends();
  });
  await command.prints(/Ctrl-C stops everything/);
}, 60_000);

const isReady = async () => (await fetch(`${readEnv(home).FOUNDATION_URL}/readyz`)).status === 200;

describe('while npm start runs', { timeout: 60_000 }, () => {
  test.each([[['start']], [['start', '--reset']]])(
    'aether %j on the same data is refused, and disturbs nothing',
    async (args) => {
      const second = aether(home, args);
      expect([await second.ends(), second.output()]).toEqual([1, expect.stringContaining('Aether runs already')]);
      expect(await isReady()).toBe(true);
    },
  );

  test('the connection strings are in a file that only its owner can read', async () => {
    const { FOUNDATION_APP_URL, SUPPORT_APP_URL, PLATFORM_MIGRATOR_URL, AETHER_PID } = readEnv(home);
    expect(
      [FOUNDATION_APP_URL, SUPPORT_APP_URL, PLATFORM_MIGRATOR_URL].map((url) => new URL(url as string).username),
    ).toEqual(['foundation_app', 'support_app', 'platform_migrator']);
    expect(Number(AETHER_PID)).toBeGreaterThan(0);
    expect((await stat(join(home, 'env'))).mode & 0o777).toBe(0o600);
    const check = aether(home, ['migrate', 'check']);
    expect([await check.ends(), check.output()]).toEqual([0, expect.stringContaining('is the one of')]);
  });

  test('the demo names the server that did not answer, and the request', async () => {
    const env = await readFile(join(home, 'env'), 'utf8');
    await writeFile(join(home, 'env'), `${env}SUPPORT_URL=http://127.0.0.1:2\n`);
    const cut = aether(home, ['demo']);
    expect([await cut.ends(), cut.output()]).toEqual([
      1,
      expect.stringMatching(
        /Support at http:\/\/127\.0\.0\.1:2 did not answer \(\w+\), when it came to: Ada Okonkwo starts a chat/,
      ),
    ]);
    await writeFile(join(home, 'env'), env);
  });
});
