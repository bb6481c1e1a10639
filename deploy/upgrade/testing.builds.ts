import { cp, mkdir, readdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { migrationsFolder } from '@aether/database';

/*
 * Two builds of Aether: this checkout, and the version after it, which is this checkout with two migrations more. They rename a column of
 * saved views, as every rename has to be done: the first expands (both names are there, and a trigger keeps them alike, whichever version
 * writes), the second contracts (the old name is gone, and the version before refuses the database).
 */

export type Build = {
  folder: string;
  /** The number of the newest migration that it was made for. */
  migration: number;
};

const root = join(import.meta.dirname, '..', '..');
const expand = `
-- Saved views get a title in place of a name. Until the next migration both versions write.
alter table crm.saved_views add column title text check (platform.is_line(title, 80));

create function crm.keep_view_title() returns trigger language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
  if tg_op = 'INSERT' then
    new.title := coalesce(new.title, new.name);
    new.name := coalesce(new.name, new.title);
  elsif new.title is distinct from old.title then
    new.name := new.title;
  elsif new.name is distinct from old.name then
    new.title := new.name;
  end if;
  return new;
end $$;
revoke execute on function crm.keep_view_title() from public;
create trigger keep_view_title before insert or update on crm.saved_views
  for each row execute function crm.keep_view_title();

update crm.saved_views set title = name;
alter table crm.saved_views alter column title set not null;
alter table crm.saved_views add unique (owner_id, page, title);
grant insert (title), update (title) on crm.saved_views to foundation_role;
call platform.classify_columns('crm.saved_views', content => 'title');
`;

const contract = (expanding: number) => `-- aether: breaks-apps-below ${expanding}
drop trigger keep_view_title on crm.saved_views;
drop function crm.keep_view_title();
call platform.record_changes('crm.saved_views', 'foundation', 'view', 'id', 'owner_id page title query is_shared', name => 'title',
  secret => 'query', refers => 'owner_id=user', only_if => 'is_shared');
delete from platform.inventory where relation = 'crm.saved_views' and column_name = 'name';
alter table crm.saved_views drop column name;
`;

/** This checkout. */
export async function thisBuild(): Promise<Build> {
  return { folder: root, migration: (await listMigrations()).length };
}

/** These rooms and all that they need, by what their packages name. */
async function roomsOf(wanted: string[]): Promise<string[]> {
  const rooms = new Set(wanted);
  for (const room of rooms) {
    const { dependencies = {} } = JSON.parse(await readFile(join(root, room, 'package.json'), 'utf8'));
    for (const name of Object.keys(dependencies)) {
      const [scope, needed] = name.split('/');
      if (scope === '@aether' && needed) rooms.add(needed);
    }
  }
  return [...rooms];
}

const listMigrations = async () => (await readdir(migrationsFolder)).filter((file) => file.endsWith('.sql'));

/**
 * Makes the version after this one in a folder of its own: its code knows the title alone, and needs the migration that expands.
 *
 * @returns it, and the folders of migrations up to the one that expands, and up to the one that contracts.
 */
export async function makeNextBuild(
  folder: string,
): Promise<{ build: Build; expanded: string; contracted: string; contracting: number }> {
  const { migration } = await thisBuild();
  const [expanding, contracting] = [migration + 1, migration + 2];
  const rooms = await roomsOf(['foundation', 'sync', 'database']);
  for (const room of rooms)
    await cp(join(root, room), join(folder, room), {
      recursive: true,
      filter: (path) => !path.includes('node_modules') && !path.includes('.test.'),
    });
  await linkPackages(folder, rooms);
  const change = async (file: string, from: RegExp, to: string) => {
    const text = await readFile(join(folder, file), 'utf8');
    if (!from.test(text)) throw new Error(`${file} is not as the next version expects it: ${from}`);
    await writeFile(join(folder, file), text.replace(from, to));
  };
  for (const file of ['platform/platform.ts', 'sync/settings.ts'])
    await change(file, /requiredMigration = \d+/, `requiredMigration = ${expanding}`);
  const views = 'foundation/server/views/views.ts';
  await change(views, /v\.id, v\.page, v\.name,/, 'v.id, v.page, v.title as name,');
  await change(views, /v\.name collate/, 'v.title collate');
  await change(views, /\(page, name, query/, '(page, title, query');
  await change(views, /set name = coalesce\((\$\d+), v\.name\)/, 'set title = coalesce($1, v.title)');

  const [expanded, contracted] = [join(folder, 'expanded'), join(folder, 'contracted')];
  const nameOf = (number: number, name: string) => `${String(number).padStart(4, '0')}_${name}.sql`;
  for (const into of [expanded, contracted]) {
    await cp(migrationsFolder, into, { recursive: true });
    await writeFile(join(into, nameOf(expanding, 'view_titles')), expand);
  }
  await writeFile(join(contracted, nameOf(contracting, 'view_names_gone')), contract(expanding));
  return { build: { folder, migration: expanding }, expanded, contracted, contracting };
}

/** The packages of this checkout, with the rooms of the copy in place of its own. */
async function linkPackages(folder: string, rooms: string[]): Promise<void> {
  const [from, to] = [join(root, 'node_modules'), join(folder, 'node_modules')];
  await mkdir(join(to, '@aether'), { recursive: true });
  for (const name of await readdir(from)) if (name !== '@aether') await symlink(join(from, name), join(to, name));
  for (const room of rooms) await symlink(join(folder, room), join(to, '@aether', room));
}
