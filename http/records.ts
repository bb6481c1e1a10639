import { tierColours } from '@aether/platform';
import { z } from './input/zod.ts';

const time = () => z.string().openapi({ format: 'date-time' });
/** The name of an app: a row of platform.apps. */
export const appName = () =>
  z
    .string()
    .regex(/^[a-z][a-z0-9_]{1,31}$/, 'must be the name of an app')
    .openapi({ description: 'An app of this platform, such as foundation or support.', example: 'support' });

/** A row of platform.customers, without what only the database needs. */
export const CustomerSchema = z
  .object({
    id: z.string().openapi({ format: 'uuid' }),
    email: z.string(),
    name: z.string(),
    phone: z.string().nullable().openapi({ description: 'As it was written.' }),
    phone_key: z
      .string()
      .nullable()
      .openapi({ description: 'The phone in E.164, by which it is found.', example: '+49301234567' }),
    phone_extension: z.string().nullable(),
    company_id: z.string().nullable(),
    version: z.int().openapi({ description: 'Counts the changes: send it back as `expected_version`.' }),
    created_at: time(),
    updated_at: time(),
    created_by_app: appName(),
    crm_id: z
      .int()
      .nullable()
      .openapi({ description: 'Foundation’s number; null until Foundation adopts the customer.' }),
    account_tier: z.string().nullable(),
    account_manager_id: z.string().nullable(),
    support_id: z
      .int()
      .nullable()
      .openapi({ description: 'Support’s number; null until Support adopts the customer.' }),
    preferred_language: z.string().nullable(),
    timezone: z.string().nullable(),
    merged_into: z.string().nullable(),
    erased_at: time().nullable(),
  })
  .openapi('Customer');

/** One address of a customer. */
export const AddressSchema = z
  .object({
    id: z.string().openapi({ format: 'uuid' }),
    email: z.string(),
    is_primary: z.boolean(),
    verified_at: time()
      .nullable()
      .openapi({ description: 'When it was proven that the address is the customer’s; null: somebody typed it.' }),
    verified_by: z
      .enum(['signed_identity'])
      .nullable()
      .openapi({ description: 'How it was proven: a host page signed a visitor’s identity.' }),
    added_at: time(),
    added_by_app: z.string(),
    added_by: z.object({ id: z.string(), name: z.string() }).nullable(),
  })
  .openapi('Address');

/** One telephone number of a customer. */
export const PhoneSchema = z
  .object({
    id: z.string().openapi({ format: 'uuid' }),
    phone: z.string().openapi({ description: 'As it was written.' }),
    phone_key: z
      .string()
      .openapi({ description: 'In E.164, by which the customer is found.', example: '+49301234567' }),
    phone_extension: z.string().nullable(),
    is_primary: z.boolean().openapi({ description: 'It is the `phone` of the customer.' }),
    added_at: time(),
    added_by_app: z.string(),
    added_by: z.object({ id: z.string(), name: z.string() }).nullable(),
  })
  .openapi('Phone');

/** The part of platform.companies that is shown with a customer. */
export const CompanySchema = z
  .object({ id: z.string().openapi({ format: 'uuid' }), name: z.string(), domain: z.string().nullable() })
  .openapi('Company');

/** The facts of the CRM about a customer that every app may see. */
export const CrmContextSchema = z
  .object({
    account_manager_name: z.string().nullable(),
    open_deals: z.int(),
    open_deals_value: z
      .record(z.string(), z.number())
      .openapi({ description: 'Sum of the open deals per currency.', example: { EUR: 1200 } }),
    deals_of_others: z.int().default(0).openapi({
      description: 'Open deals of other customers in which this one has a part. They are not in the sum.',
    }),
    last_activity: z.object({ type: z.string(), occurred_at: time(), app: appName() }).nullable(),
  })
  .openapi('CrmContext');

/** A customer that was merged into another one. */
export const MergedFromSchema = z
  .object({
    merge: z.string().openapi({ format: 'uuid', description: 'The merge, which the console takes apart.' }),
    customer: z.object({ id: z.string(), name: z.string() }),
    merged_at: z.string().openapi({ format: 'date-time' }),
    actor: z.object({ id: z.string(), name: z.string() }).nullable(),
  })
  .openapi('MergedFrom');

/** A customer that may be the person who is being written down. */
export const SimilarCustomerSchema = z
  .object({
    id: z.string().openapi({ format: 'uuid' }),
    name: z.string(),
    email: z.string(),
    reasons: z.array(z.string()).openapi({
      description: 'What speaks for it, the strongest first.',
      example: ['the telephone number is the same'],
    }),
  })
  .openapi('SimilarCustomer');

/** A row of platform.tiers. */
export const TierSchema = z
  .object({
    key: z.string().openapi({ description: 'What `account_tier` holds; it never changes.', example: 'premium' }),
    label: z.string(),
    colour: z.enum(tierColours),
    is_retired: z.boolean().openapi({ description: 'No customer gets it any more; those who have it keep it.' }),
    version: z.int(),
  })
  .openapi('Tier');
