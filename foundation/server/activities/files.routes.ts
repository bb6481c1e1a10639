import { addFileRoutes, type Files } from '@aether/files';
import { type App, createStaffRoute } from '@aether/http';
import { CustomerErased, NotFound, type PlatformDb, type Transaction } from '@aether/platform';
import { requireCustomer } from '../customers/customers.ts';

/** Files of activities: uploaded to a customer, sent with the activity, and read by whoever may read timelines. */
export function addActivityFileRoutes(app: App, db: PlatformDb, files: Files): void {
  addFileRoutes(app, files, {
    uploads: '/api/customers/{id}/uploads',
    file: '/api/files/{file}',
    of: 'a customer, for an activity',
    noun: 'ActivityUpload',
    statuses: [404, 410],
    make: (parts, act) =>
      createStaffRoute({ ...parts, right: act === 'read' ? 'activities.read' : 'activities.write' }),
    async enter(c, id) {
      const customer = await requireCustomer(db, id);
      if (customer.erased_at) throw new CustomerErased();
      return {
        owner: { parentId: customer.id, createdBy: c.get('actor')?.id ?? null },
        hold: (tx) => holdPresent(tx, customer.id),
      };
    },
    async read(_, find) {
      const file = await find();
      if (file.record_id === null) throw new NotFound('file');
      return file;
    },
  });
}

/** Keeps an erasure of the customer waiting, so that it finds the file that begins here. */
async function holdPresent(tx: Transaction, id: string): Promise<void> {
  const found = await tx.query('select from platform.customers where id = $1 and erased_at is null for share', [id]);
  if (found.length === 0) throw new CustomerErased();
}
