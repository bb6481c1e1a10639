import { makeImage, upload } from '@aether/files/testing';
import type { Customer } from '@aether/platform';
import { beforeAll, expect, test } from 'vitest';
import { startTestFoundation, type TestFoundation } from '../testing.ts';

let app: TestFoundation;
let customer: Customer;
let unique = 0;
const image = makeImage('png');
const newCustomer = () => app.foundation.createCustomer({ name: 'Erik', email: `erik${++unique}@fjord.example` });
beforeAll(async () => {
  app = await startTestFoundation();
  customer = await newCustomer();
});

const send = async (to: Customer, bytes: Uint8Array = image, name = 'plan.png') =>
  upload(`${app.url}/api/customers/${to.id}/uploads`, await app.headersOf('maya'), { bytes, name });
const note = (to: Customer, files: string[], more: object = {}) =>
  app.call('POST', `/api/customers/${to.id}/activities`, { type: 'note', description: 'The plan', files, ...more });
const get = async (file: string, who = 'maya') =>
  fetch(`${app.url}/api/files/${file}`, { headers: await app.headersOf(who) });
const countParts = async (file: string) =>
  (await app.foundation.query('select from platform.file_chunks where file_id = $1', [file])).length;

test('a note has its files, once however often it is repeated, and colleagues read them', async () => {
  const { body: file } = await send(customer);
  const asked = { client_id: 'note-1' };
  const [first, again] = [await note(customer, [file.id], asked), await note(customer, [file.id], asked)];
  expect([first.status, again.status, again.body.id]).toEqual([201, 201, first.body.id]);
  expect(first.body.metadata.files).toMatchObject([{ id: file.id, name: 'plan.png', has_thumbnail: true }]);
  const { body } = await app.call('GET', `/api/customers/${customer.id}/timeline`);
  expect(body.entries[0].metadata.files).toEqual(first.body.metadata.files);
  const answer = await get(file.id);
  expect(Buffer.from(await answer.arrayBuffer()).equals(image)).toBe(true);
});

test('a file that another note has, one of another customer, one that was not completed and a machine’s wish without the scope are refused', async () => {
  const { body: file } = await send(customer);
  const other = await newCustomer();
  expect((await note(other, [file.id])).body.code).toBe('file-not-there');
  expect((await note(customer, [file.id])).status).toBe(201);
  expect((await note(customer, [file.id])).body.code).toBe('file-not-there');
  const begun = await app.call('POST', `/api/customers/${customer.id}/uploads`, {
    client_id: 'x',
    name: 'x.txt',
    size: 5,
  });
  expect((await note(customer, [begun.body.id])).body.code).toBe('file-not-there');
  expect((await get(begun.body.id)).status).toBe(404);
  expect((await app.callWith('deals.read')('GET', `/api/files/${file.id}`)).status).toBe(403);
  // None of the refused notes is there.
  const { body } = await app.call('GET', `/api/customers/${other.id}/timeline?kind=activity`);
  expect(body.entries).toEqual([]);
});

test('Support sees no file of Foundation, by whatever id', async () => {
  const { body: file } = await send(customer);
  expect(await app.support.query('select from platform.files where id = $1', [file.id])).toEqual([]);
  expect(await app.support.query('select from platform.file_chunks where file_id = $1', [file.id])).toEqual([]);
  expect(await app.support.query('delete from platform.files where id = $1 returning id', [file.id])).toEqual([]);
  expect(await countParts(file.id)).toBe(2);
});

test('a merge and a move take files along: an erasure of who has the note now removes them, and of who had it before does not', async () => {
  const superuser = await app.database.connect('postgres');
  const privacy = await app.database.connect('privacy_app');
  await privacy.query(`set aether.actor = 'maya'`);
  const [from, to] = [await newCustomer(), await newCustomer()];
  const { body: file } = await send(from);
  const { body: moved } = await note(from, [file.id]);
  await app.call('POST', `/api/activities/${moved.id}/moves`, { customer_id: to.id, reason: 'It is theirs' });
  const { rows } = await superuser.query('select customer_id from crm.activities where id = $1', [moved.id]);
  expect(rows).toEqual([{ customer_id: to.id }]);
  await privacy.query(`select platform.erase_customer($1, 'request 1')`, [from.id]);
  expect(await countParts(file.id)).toBe(2);
  await privacy.query(`select platform.erase_customer($1, 'request 2')`, [to.id]);
  expect(await countParts(file.id)).toBe(0);
  expect((await get(file.id)).status).toBe(404);
});

test('an upload to a customer who was erased is refused', async () => {
  const gone = await newCustomer();
  const privacy = await app.database.connect('privacy_app');
  await privacy.query(`set aether.actor = 'maya'`);
  const { body: unsent } = await send(gone);
  await privacy.query(`select platform.erase_customer($1, 'request 3')`, [gone.id]);
  expect(await countParts(unsent.id)).toBe(0);
  expect((await send(gone)).status).toBe(410);
});

test('a rule of retention removes the files of entries whose text it scrubs, and of no others', async () => {
  const superuser = await app.database.connect('postgres');
  const [{ body: old }, { body: fresh }] = [await send(customer), await send(customer)];
  await note(customer, [old.id], { occurred_at: '2020-01-01T00:00:00Z' });
  await note(customer, [fresh.id]);
  await superuser.query(`update platform.retention_rules set days = 400 where kind = 'activities'`);
  const worker = await app.database.connect('sync_app');
  await worker.query('select platform.apply_retention(1000)');
  expect([await countParts(old.id), await countParts(fresh.id)]).toEqual([0, 2]);
});
