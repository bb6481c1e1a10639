import { EmailTaken } from './errors.ts';
import { AlreadyExists, type PlatformError } from './log/errors.ts';

/** What each unique constraint protects, in the caller's words. */
const uniqueFields: Record<string, string> = {
  customers_crm_id_key: 'crm_id',
  customers_support_id_key: 'support_id',
  customer_external_ids_pkey: 'customer number',
  companies_domain_key: 'domain',
  users_pkey: 'user',
  custom_fields_record_key_key: 'key',
  pipelines_name_key: 'name',
  saved_views_owner_id_page_name_key: 'name',
  users_directory_tenant_id_directory_object_id_key: 'directory account',
};

/** What was refused because something else has the value. @returns undefined for a constraint that is not listed here */
export function refuseUnique(constraint: string, cause: unknown): PlatformError | undefined {
  if (constraint === 'customer_emails_pkey') return new EmailTaken(cause);
  const field = uniqueFields[constraint];
  return field === undefined ? undefined : new AlreadyExists(field, cause);
}
