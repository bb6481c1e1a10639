import type pg from 'pg';
import {
  CustomerErased,
  CustomerMerged,
  EmailTaken,
  MergeUndone,
  MoveRefused,
  PersonErased,
  PrimaryAddressStays,
  PrimaryPhoneStays,
  SameCustomer,
  UserLeft,
} from './errors.ts';
import { AlreadyExists, InvalidField, type PlatformError, ReferenceNotFound } from './log/errors.ts';
import type { RefuseConstraint } from './log/refusals.ts';

/** The field that each unique constraint protects, under the name that the caller knows. */
const uniqueFields: Record<string, string> = {
  customers_crm_id_key: 'crm_id',
  customers_support_id_key: 'support_id',
  customer_external_ids_pkey: 'customer number',
  companies_domain_key: 'domain',
  users_pkey: 'user',
  custom_fields_record_key_key: 'key',
  pipelines_name_key: 'name',
  tiers_key_key: 'key',
  tiers_label_key: 'label',
  tags_name_key: 'name',
  conversation_tags_name_key: 'name',
  saved_views_owner_id_page_name_key: 'name',
  conversation_views_name_key: 'name',
  canned_answers_shortcut_key: 'shortcut',
  users_directory_tenant_id_directory_object_id_key: 'directory account',
};

/** What the constraints of an app's own tables protect, by their names: the field that a refusal names, and what is wrong with its value, in words for a person. */
export type OwnConstraints = Record<string, { field: string; message: string }>;

/** Translates the refusals of the platform's constraints, and those of an app that has words for its own. */
export const refuseConstraints =
  (own: OwnConstraints = {}): RefuseConstraint =>
  (constraint, cause) =>
    refuseConstraint(constraint, cause) ??
    (Object.hasOwn(own, constraint) ? refuseOwn(own[constraint] as OwnConstraints[string], cause) : undefined);

function refuseOwn({ field, message }: OwnConstraints[string], cause: pg.DatabaseError): PlatformError {
  if (cause.code === '23505' || cause.code === '23P01') return new AlreadyExists(field, cause, message);
  if (cause.code === '23503') return new ReferenceNotFound(field, cause, message);
  return new InvalidField([{ field, message }], cause);
}

/** Translates the database's refusal of a value, a reference or a state. @returns undefined for a constraint that is not listed here */
export function refuseConstraint(constraint: string, cause: pg.DatabaseError): PlatformError | undefined {
  if (constraint === 'customer_emails_pkey') {
    const error = new EmailTaken(cause);
    // Our own functions give the address as the detail. PostgreSQL's refusal names its table, and its detail would be a sentence.
    if (cause.table === undefined && cause.detail) error.taken = { by: 'email', value: cause.detail };
    return error;
  }
  if (constraint === 'customer_emails_primary_stays') return new PrimaryAddressStays(cause);
  if (constraint === 'customer_phones_primary_stays') return new PrimaryPhoneStays(cause);
  // platform.require_present_customer raises this; its detail is the survivor.
  if (constraint === 'customer_merged' && cause.detail) return new CustomerMerged(cause.detail, cause);
  if (constraint === 'customer_erased') return new CustomerErased(cause);
  if (constraint === 'person_erased') return new PersonErased(cause);
  if (constraint === 'users_left') return new UserLeft(cause);
  // platform.require_staff raises this, and names the column.
  if (constraint === 'staff_left')
    return new InvalidField(
      [{ field: cause.column ?? 'user_id', message: 'has left: choose somebody who works here' }],
      cause,
    );
  if (constraint === 'staff_reads')
    return new InvalidField(
      [{ field: cause.column ?? 'user_id', message: 'is a reader, who changes nothing: choose somebody else' }],
      cause,
    );
  if (constraint === 'merge_same') return new SameCustomer(cause);
  if (constraint === 'merge_undone') return new MergeUndone(cause);
  // platform.refuse_move raises these; its hint is a sentence for people.
  if (constraint.startsWith('move_') && cause.hint) return new MoveRefused(cause.hint, cause);
  const field = uniqueFields[constraint];
  return field === undefined ? undefined : new AlreadyExists(field, cause);
}
