import { globSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { expect, test } from 'vitest';

const root = join(import.meta.dirname, '..', '..');
const folder = join(root, 'docs', 'runbooks');
const pages = globSync('*.md', { cwd: folder }).map((file) => basename(file, '.md'));

/** The kinds of the checks that each function of a check can return, from the SQL: `select 'pool:' || app, 'pool', …`. */
function readKinds(): Map<string, string[]> {
  const sql = globSync('database/migrations/*.sql', { cwd: root }).map((file) =>
    readFileSync(join(root, file), 'utf8'),
  );
  const functions = sql.flatMap((text) => [
    ...text.matchAll(
      /create function (sync\.\w+)\(\) returns setof sync\.check_row\b(.*?)^(?:end;|\$\$;|end \$\$;)/gms,
    ),
  ]);
  return new Map(
    functions.map(([, name = '', body = '']) => [
      name,
      [...body.matchAll(/\bselect '[a-z][\w:.-]*'(?: \|\| .+?)?, '([a-z][a-z0-9-]*)',/g)].map(([, kind = '']) => kind),
    ]),
  );
}

test('every kind of check has a runbook, and every runbook a kind', () => {
  const kinds = readKinds();
  expect(kinds.size).toBeGreaterThan(10);
  for (const [name, found] of kinds) expect(found, `the kinds of ${name} cannot be read`).not.toEqual([]);
  expect(pages.sort()).toEqual([...new Set([...kinds.values()].flat())].sort());
});

test.each(pages)(
  'the runbook %s says what it means, likely causes, what to do and how to see that it is over',
  (page) => {
    const text = readFileSync(join(folder, `${page}.md`), 'utf8');
    expect(text).toMatch(new RegExp(`^# ${page}\\n`));
    for (const part of ['Meaning', 'Likely causes', 'What to do', 'How to see that it is over'])
      expect(text).toContain(`**${part}.**`);
    const links = [...text.matchAll(/\]\(([a-z-]+)\.md\)/g)].map(([, name]) => name);
    expect(pages).toEqual(expect.arrayContaining(links));
  },
);
