import { NotFound } from './errors.ts';
import { assignmentsFor, columnsOf, nameNotOwned } from './fields.ts';
import type { Connection } from './log/connection.ts';
import type { Queryable, Statement } from './log/query.ts';
import type { InTransaction, Write } from './log/transaction.ts';
import { coalesce, prepareLookup, runLookup } from './lookups.ts';

/** The roles, from the most rights to the fewest. */
export const roles = ['admin', 'steward', 'user', 'reader'] as const;

/**
 * reader: sees what staff sees, and changes nothing. user: works with the records. steward: may also merge customers and take merges
 * apart. admin: may do everything.
 */
export type Role = (typeof roles)[number];

/** A row of platform.users: one person of the staff, known to both apps. */
export type User = {
  /** The identity provider's subject at the first sign-in. */
  id: string;
  email: string;
  name: string;
  role: Role;
  foundation_user_id: number | null;
  support_user_id: number | null;
  directory_tenant_id: string | null;
  directory_object_id: string | null;
  created_at: Date;
  last_signed_in: Date | null;
  /** Since when the person works here no more; null: they do. */
  left_at: Date | null;
};

/** The person who signs in, as the directory describes them. */
export type SignIn = { subject: string; email: string; name: string; tenantId?: string; objectId?: string };

const userColumns = `u.id, u.email, u.name, u.role, u.foundation_user_id, u.support_user_id, u.directory_tenant_id, u.directory_object_id,
  u.created_at, u.last_signed_in, u.left_at`;
const byId = prepareLookup('user-by-id', 'text', `select ${userColumns} from platform.users u where u.id`);
const byDirectory: Statement = {
  name: 'user-by-directory',
  text: `select ${userColumns} from platform.users u where u.directory_tenant_id = $1 and u.directory_object_id = $2`,
};
const all: Statement = { name: 'users-all', text: `select ${userColumns} from platform.users u order by u.name, u.id` };

const userOwners = { role: 'foundation' } as const;

export type UserCalls = ReturnType<typeof userCalls>;

/** The calls of platformDb about users. */
export function userCalls(connection: Connection) {
  const fetchMany = async (on: Queryable, ids: string[]) =>
    new Map((await runLookup<User>(on, byId, ids)).map((user) => [user.id, user]));
  const coalescedById = coalesce((ids: string[]) => fetchMany(connection, ids), connection.lookupCounts);

  async function getUserById(id: string, { tx }: InTransaction = {}): Promise<User | null> {
    if (id.includes('\0')) return null; // PostgreSQL refuses it together with the lookups that share its query
    return tx ? ((await fetchMany(tx, [id])).get(id) ?? null) : coalescedById(id);
  }

  async function getUserByDirectory(
    tenantId: string,
    objectId: string,
    { tx }: InTransaction = {},
  ): Promise<User | null> {
    const [user] = await (tx ?? connection).run<User>(byDirectory, [tenantId, objectId]);
    return user ?? null;
  }

  async function listUsers({ tx }: InTransaction = {}): Promise<User[]> {
    return (tx ?? connection).run<User>(all, []);
  }

  async function signInUser({ subject, email, name, tenantId, objectId }: SignIn, write: Write = {}): Promise<User> {
    return connection.within(write, async (tx) => {
      const [user] = await tx.query<User>(`select ${userColumns} from platform.sign_in_user($1, $2, $3, $4, $5) u`, [
        subject,
        email,
        name,
        tenantId ?? null,
        objectId ?? null,
      ]);
      return user as User;
    });
  }

  async function updateUser(
    id: string,
    change: { name?: string; email?: string; role?: Role },
    write: Write = {},
  ): Promise<User> {
    const { columns, values } = columnsOf(change, ['name', 'email', 'role']);
    return connection.within(write, async (tx) => {
      const [user] =
        columns.length > 0
          ? await tx
              .query<User>(
                `update platform.users u set ${assignmentsFor(columns, 2)} where u.id = $1 returning ${userColumns}`,
                [id, ...values],
              )
              .catch((error) => {
                throw nameNotOwned(error, connection.app, change, userOwners);
              })
          : await runLookup<User>(tx, byId, [id]);
      if (!user) throw new NotFound('user');
      return user;
    });
  }

  return {
    /** The user of this id; null if there is none. */
    getUserById,
    /** The user of a directory account; null until the first sign-in. */
    getUserByDirectory,
    /** All users, by name. */
    listUsers,
    /**
     * The user who signs in, made at the first sign-in, with `last_signed_in` set to now. A person is looked up by tenant
     * and object id first, then by the subject, which differs between app registrations.
     *
     * @throws InvalidField; AlreadyExists if another directory account has the subject; UserLeft for somebody who left.
     */
    signInUser,
    /** Changes the given fields of a user and no others. @throws NotFound, InvalidField; FieldNotOwned for `role` as Support. */
    updateUser,
  };
}
