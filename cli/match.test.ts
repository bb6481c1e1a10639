import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, expect, test } from 'vitest';
import { aetherHere, newHome } from './testing.ts';

let home: string;
let file: string;
beforeAll(async () => {
  home = await newHome();
  file = join(home, 'people.csv');
  await writeFile(
    file,
    `First,Last,Email,Who
Robert,Quandt,r.quandt@quandt.example,a
Bob,Quandt,R.Quandt@quandt.example,a
Anna,Maier,info@maier.example,b
Anna,Maier,info@maier.example,b
Kofi,Boateng,kofi@boateng.example,c
`,
  );
});

const map = ['--map', 'First=first_name', '--map', 'Last=last_name', '--map', 'Email=email'];

test('aether match groups the rows of a file by their lines and measures the groups by a column, without a server', async () => {
  const { code, output } = await aetherHere(home, ['match', file, ...map, '--truth', 'Who', '--json']);
  expect(code).toBe(0);
  expect(JSON.parse(output)).toMatchObject({
    rows: 5,
    groups: [[2, 3]],
    held: [[4, 5]],
    heldReasons: ['role-mailbox'],
    pairs: 2,
    precision: 1,
    recall: 0.5,
  });
});

test('aether match tells which pairs a rule brings, and refuses a setting that does not exist', async () => {
  const { output } = await aetherHere(home, ['match', file, ...map, '--what-if', 'address=off']);
  expect(output).toMatch(/1 pairs would be lost, in 1 groups\./);
  const refused = await aetherHere(home, ['match', file, '--set', 'colour=red']);
  expect(refused.code).toBe(1);
  expect(refused.output).toMatch(/There is no setting colour/);
});
