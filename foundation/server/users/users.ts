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

export type StaffUser = Pick<User, 'id' | 'name' | 'email' | 'role' | 'last_signed_in' | 'left_at'>;

/** The last administrator keeps the role: make somebody else an administrator first. */
export class LastAdmin extends PlatformError {
  constructor() {
    super('last-admin', 409, 'Nobody else is an administrator. Make somebody one first.');
  }
}

export const staffColumns = 'id, name, email, role, last_signed_in, left_at';

const byName = { order: { by: 'name', type: 'text', id: 'id', idType: 'text' }, direction: 'asc' } as const;

/** Everybody who has signed in to either app, by name. */
export function listStaff(on: Queryable, paging: Paging): Promise<Placed<StaffUser>[]> {
  return readList<StaffUser>(on, { ...byName, ...paging }, () => ({
    columns: staffColumns,
    from: 'platform.users',
    where: [],
  }));
}

/** @throws NotFound, LastAdmin */
export async function changeRole(tx: Transaction, id: string, role: User['role']): Promise<StaffUser> {
  await requireAnotherAdmin(tx, id, role === 'admin');
  const [changed] = await tx.query<StaffUser>(
    `update platform.users set role = $2 where id = $1 returning ${staffColumns}`,
    [id, role],
  );
  if (!changed) throw new NotFound('user');
  return changed;
}

/** All administrators are locked: if two of them put each other out, the second change finds only one left. @throws LastAdmin */
export async function requireAnotherAdmin(tx: Transaction, id: string, staysAdmin = false): Promise<void> {
  const admins = await tx.query<{ id: string }>(
    `select id from platform.users where role = 'admin' and left_at is null order by id for update`,
  );
  if (!staysAdmin && admins.length === 1 && admins[0]?.id === id) throw new LastAdmin();
}
