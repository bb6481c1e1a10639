import type { Connection, InTransaction, Queryable, Statement, Write } from './connection.ts';
import { AlreadyExists, NotFound } from './errors.ts';
import { assignmentsFor, columnsOf } from './fields.ts';
import { coalesce, prepareLookup, runLookup } from './lookups.ts';

/** A row of platform.users: one person of the staff, known to both apps. */
export type User = {
  /** The identity provider's subject at the first sign-in. */
  id: string;
  email: string;
  name: string;
  role: 'admin' | 'user';
  foundation_user_id: number | null;
  support_user_id: number | null;
  directory_tenant_id: string | null;
  directory_object_id: string | null;
  created_at: Date;
  last_signed_in: Date | null;
};

/** Who signed in, as the directory describes them. */
export type SignIn = { subject: string; email: string; name: string; tenantId?: string; objectId?: string };

const userColumns = `u.id, u.email, u.name, u.role, u.foundation_user_id, u.support_user_id, u.directory_tenant_id, u.directory_object_id,
  u.created_at, u.last_signed_in`;
const byId = prepareLookup('user-by-id', 'text', `select ${userColumns} from platform.users u where u.id`);
const all: Statement = { name: 'users-all', text: `select ${userColumns} from platform.users u order by u.name, u.id` };

export type UserCalls = ReturnType<typeof userCalls>;

/** The calls of platformDb about users. */
export function userCalls(connection: Connection) {
  const fetchMany = async (on: Queryable, ids: string[]) =>
    new Map((await runLookup<User>(on, byId, ids)).map((user) => [user.id, user]));
  const coalescedById = coalesce((ids: string[]) => fetchMany(connection, ids));

  async function getUserById(id: string, { tx }: InTransaction = {}): Promise<User | null> {
    return tx ? ((await fetchMany(tx, [id])).get(id) ?? null) : coalescedById(id);
  }

  /** All of them, by name. */
  async function listUsers({ tx }: InTransaction = {}): Promise<User[]> {
    return (tx ?? connection).run<User>(all, []);
  }

  /**
   * The user who signs in, made at the first sign-in, with `last_signed_in` set to now. A person is found by tenant and
   * object id before the subject, which differs between app registrations.
   *
   * @throws InvalidField; AlreadyExists when the subject is another directory account's.
   */
  async function signInUser({ subject, email, name, tenantId, objectId }: SignIn, write: Write = {}): Promise<User> {
    return connection.within(write, async (tx) => {
      const found = `select id from platform.users where directory_tenant_id = $1 and directory_object_id = $2
                     union all select id from platform.users where id = $3 and ($1::text is null or directory_tenant_id is null) limit 1`;
      const update = () =>
        tx.query<User>(
          `update platform.users u set email = $4, name = $5, directory_tenant_id = coalesce($1, directory_tenant_id),
             directory_object_id = coalesce($2, directory_object_id), last_signed_in = now()
           where u.id = (${found}) returning ${userColumns}`,
          [tenantId ?? null, objectId ?? null, subject, email, name],
        );
      const [known] = await update();
      if (known) return known;
      const [made] = await tx.query<User>(
        `insert into platform.users as u (id, email, name, directory_tenant_id, directory_object_id, last_signed_in)
         values ($1, $2, $3, $4, $5, now()) on conflict do nothing returning ${userColumns}`,
        [subject, email, name, tenantId ?? null, objectId ?? null],
      );
      if (made) return made;
      const [rival] = await update(); // the same person signed in twice at once
      if (!rival) throw new AlreadyExists('user');
      return rival;
    });
  }

  /** @throws NotFound, InvalidField; FieldNotOwned for `role` as Support. */
  async function updateUser(
    id: string,
    change: { name?: string; email?: string; role?: 'admin' | 'user' },
    write: Write = {},
  ): Promise<User> {
    const { columns, values } = columnsOf(change, ['name', 'email', 'role']);
    return connection.within(write, async (tx) => {
      const [user] =
        columns.length > 0
          ? await tx.query<User>(
              `update platform.users u set ${assignmentsFor(columns, 2)} where u.id = $1 returning ${userColumns}`,
              [id, ...values],
            )
          : await runLookup<User>(tx, byId, [id]);
      if (!user) throw new NotFound('user');
      return user;
    });
  }

  return { getUserById, listUsers, signInUser, updateUser };
}
