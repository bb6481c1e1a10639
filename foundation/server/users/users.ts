import {
  NotFound,
  type Paging,
  type Placed,
  PlatformError,
  type Queryable,
  readList,
  type Transaction,
  type User,
} from '@aether/platform';

export type StaffUser = Pick<User, 'id' | 'name' | 'email' | 'role' | 'last_signed_in'>;

/** The last administrator keeps the role: make somebody else an administrator first. */
export class LastAdmin extends PlatformError {
  constructor() {
    super('last-admin', 409, 'Nobody else is an administrator. Make somebody one first.');
  }
}

const columns = 'id, name, email, role, last_signed_in';

const byName = { order: { by: 'name', type: 'text', id: 'id', idType: 'text' }, direction: 'asc' } as const;

/** Everybody who has signed in to either app, by name. */
export function listStaff(on: Queryable, paging: Paging): Promise<Placed<StaffUser>[]> {
  return readList<StaffUser>(on, { ...byName, ...paging }, () => ({ columns, from: 'platform.users', where: [] }));
}

/** @throws NotFound, LastAdmin */
export async function changeRole(tx: Transaction, id: string, role: User['role']): Promise<StaffUser> {
  // All administrators are locked: if two of them take the role from each other, the second change finds only one left.
  const admins = await tx.query<{ id: string }>(
    `select id from platform.users where role = 'admin' order by id for update`,
  );
  if (role !== 'admin' && admins.length === 1 && admins[0]?.id === id) throw new LastAdmin();
  const [changed] = await tx.query<StaffUser>(
    `update platform.users set role = $2 where id = $1 returning ${columns}`,
    [id, role],
  );
  if (!changed) throw new NotFound('user');
  return changed;
}
