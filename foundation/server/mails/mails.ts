import { type Files, sendFiles, takeGiven } from '@aether/files';
import {
  type Answer,
  describeLeft,
  findFailing,
  isMailOn,
  type Keeper,
  queueMail,
  refuseFailing,
  refuseOff,
} from '@aether/mail';
import {
  type Attempt,
  InvalidField,
  NotFound,
  type PlatformDb,
  type Queryable,
  type Transaction,
} from '@aether/platform';
import { isNoAddress } from '@aether/platform/noaddress';
import { type Activity, addActivity } from '../activities/activities.ts';

/*
 * E-mail of the CRM. What a person writes to a customer is an entry of the timeline at once, and goes after a moment in which it can be taken back. Its
 * entry says what became of it (`metadata.mail`), so every change of that is an event, too. What the customer answers is an entry of its own.
 */

/** A mail can be taken back for so long. */
export const takeBackSeconds = 10;
const wordsMax = 4_000;

export type NewMail = {
  to: string;
  subject: string;
  body: string;
  deal_id?: number;
  /** The mail of the customer that it answers. */
  answers?: string;
};

/** The addresses of a customer, and which of them mail reaches. */
export async function readAddresses(on: Queryable, customerId: string, app: string) {
  const [isOn, addresses] = await Promise.all([
    isMailOn(on, app),
    on.query<{ email: string; is_primary: boolean; failing: { code: string; failed_at: string } | null }>(
      `select e.email, e.is_primary,
         case when f.code is not null then jsonb_build_object('code', f.code, 'failed_at', f.failed_at) end as failing
       from platform.customer_emails e
         left join platform.failing_addresses f on f.email_key = e.email_key and f.allowed_at is null
       where e.customer_id = $1 order by e.is_primary desc, e.created_at, e.id`,
      [customerId],
    ),
  ]);
  return { is_on: isOn, addresses: addresses.filter(({ email }) => !isNoAddress(email)) };
}

/**
 * Writes the entry, and queues its mail.
 *
 * @throws InvalidField for an address that is not the customer's; Problem 409 if no mail is sent, or none to this address; ClientIdReused
 */
export async function writeMail(
  tx: Transaction,
  customerId: string,
  { to, subject, body, deal_id, answers }: NewMail,
  attempt: Attempt,
): Promise<Activity> {
  const { is_on, addresses } = await readAddresses(tx, customerId, 'foundation');
  if (!is_on) throw refuseOff();
  const address = addresses.find(({ email }) => email.toLowerCase() === to.toLowerCase());
  if (!address) throw new InvalidField([{ field: 'to', message: 'must be an address of this customer' }]);
  if (await findFailing(tx, address.email)) throw refuseFailing(address.email);
  if (answers !== undefined) await requireReceived(tx, customerId, answers);
  const activity = await addActivity(
    tx,
    {
      customer_id: customerId,
      type: 'email_sent',
      description: body,
      metadata: { subject, to: address.email, mail: { state: 'waiting' }, ...(answers !== undefined && { answers }) },
      ...(deal_id !== undefined && { deal_id }),
    },
    attempt,
  );
  const [known] = await tx.query<{ id: string }>('select id from platform.mails where record_id = $1', [activity.id]);
  if (known) return activity;
  const mail = await queueMail(tx, { recordId: activity.id, to: address.email, seconds: takeBackSeconds });
  await note(tx, activity.id, { id: mail.id, state: 'waiting', not_before: mail.not_before });
  return {
    ...activity,
    metadata: { ...activity.metadata, mail: { id: mail.id, state: 'waiting', not_before: mail.not_before } },
  };
}

const note = (tx: Transaction, activityId: string, mail: object) =>
  tx.query(
    `update crm.activities set metadata = jsonb_set(metadata, '{mail}', coalesce(metadata -> 'mail', '{}') || $2::jsonb) where id = $1`,
    [activityId, JSON.stringify(mail)],
  );

type Row = {
  customer_id: string;
  deal_id: number | null;
  description: string;
  metadata: { subject?: string; mail?: object; answers?: string };
};

const find = async (tx: Transaction, id: string): Promise<Row | undefined> => {
  const [row] = await tx.query<Row>(
    `select customer_id, deal_id, description, metadata from crm.activities where id = $1 and created_by_app = 'foundation'`,
    [id],
  );
  return row;
};

export const keepMails = (db: PlatformDb, files: Files): Keeper => ({
  async hold(tx, id) {
    const rows = await tx.query(
      `select from crm.activities where id = $1 and created_by_app = 'foundation' for update`,
      [id],
    );
    return rows.length > 0;
  },

  async isAddressOf(tx, { record_id, to_address }) {
    const rows = await tx.query(
      `select from crm.activities a join platform.customer_emails e on e.customer_id = a.customer_id
       where a.id = $1 and lower(e.email) = lower($2)`,
      [record_id, to_address],
    );
    return rows.length > 0;
  },

  async write(tx, { record_id }) {
    const row = await find(tx, record_id);
    if (!row?.metadata.mail) return undefined;
    const references = row.metadata.answers ? await findThread(tx, row.metadata.answers) : [];
    return { subject: row.metadata.subject ?? '', text: row.description, references };
  },

  async settle(tx, { record_id, code }, state, isFailing) {
    await note(tx, record_id, { state, code, is_failing: isFailing, at: new Date() });
  },

  async take(tx, { record_id }, answer) {
    const { id, isOther, attachments, files: taken, vouched } = answer;
    const mail = { id, is_other: isOther, attachments, ...(vouched && { vouched }), ...describeLeft(taken) };
    return addAnswer(tx, record_id, answer, mail);
  },

  async takeFiles(recordId, given) {
    const [row] = await db.query<{ customer_id: string }>('select customer_id from crm.activities where id = $1', [
      recordId,
    ]);
    if (!row) throw new NotFound('activity');
    const owner = { parentId: row.customer_id, createdBy: null };
    const hold = (tx: Transaction) => holdPresent(tx, row.customer_id);
    return { parentId: owner.parentId, ...(await takeGiven(files, owner, given, hold)) };
  },

  async dropFiles({ parentId, ids }) {
    for (const id of ids) await files.cancel({ parentId, createdBy: null }, id);
  },

  async takeAutomatic(tx, { record_id }, answer) {
    return addAnswer(tx, record_id, answer, { id: answer.id, is_automatic: true, attachments: answer.attachments });
  },
});

/** Keeps an erasure of the customer waiting, so that it finds the file that begins here. A late answer to who is erased has no files. */
async function holdPresent(tx: Transaction, id: string): Promise<void> {
  const found = await tx.query('select from platform.customers where id = $1 and erased_at is null for share', [id]);
  if (found.length === 0) throw new NotFound('customer');
}

/** @throws InvalidField if it is no mail of this customer */
async function requireReceived(tx: Transaction, customerId: string, id: string): Promise<void> {
  const found = await tx.query(
    `select from platform.received_mails r join crm.activities a on a.id = r.record_id where r.id = $1 and a.customer_id = $2`,
    [id, customerId],
  );
  if (found.length === 0)
    throw new InvalidField([{ field: 'answers', message: 'must be a mail that came from this customer' }]);
}

/** The Message-ID of our mail that a mail which came in has answered: the reader's program puts all three together. */
async function findThread(tx: Transaction, receivedId: string): Promise<string[]> {
  const rows = await tx.query<{ message_id: string }>(
    `select m.message_id from platform.received_mails r join platform.mails m on m.id = r.mail_id
     where r.id::text = $1 and m.message_id is not null`,
    [receivedId],
  );
  return rows.map(({ message_id }) => message_id);
}

async function addAnswer(
  tx: Transaction,
  recordId: string,
  { id, from, said, subject, files }: Answer,
  mail: object,
): Promise<string> {
  const row = (await find(tx, recordId)) as Row;
  // A mail may have megabytes of words: no more of them is looked at than can be kept.
  const words = said
    .slice(0, 3 * wordsMax)
    .replaceAll('\0', '')
    .trim();
  const characters = [...(words || subject || 'An e-mail without words').toWellFormed()];
  const isCut = characters.length > wordsMax;
  const [added] = await tx.query<{ id: string }>(
    `insert into crm.activities (customer_id, deal_id, type, description, metadata, idempotency_key)
     values ($1, $2, 'email_received', $3, $4::jsonb || case when $6::uuid[] is null then '{}' else
         jsonb_build_object('files', platform.describe_files($6)) end, $5) returning id`,
    [
      row.customer_id,
      row.deal_id,
      isCut ? `${characters.slice(0, wordsMax - 1).join('')}…` : characters.join(''),
      JSON.stringify({ subject: subject ?? '', from: from ?? null, mail: { ...mail, is_cut: isCut } }),
      `mail:${id}`,
      files.ids.length > 0 ? files.ids : null,
    ],
  );
  const { id: entryId } = added as { id: string };
  if (files.ids.length > 0) await sendFiles(tx, files.ids, { parentId: files.parentId, createdBy: null }, entryId);
  return entryId;
}
