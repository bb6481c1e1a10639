import type { CustomerEventNames, DealClosedData, EventRows } from '@aether/platform';
import { roles, tierColours } from '@aether/platform';
import { z } from '../input/zod.ts';
import { EventSchema } from './eventwords.ts';

/*
 * What the events of shared records carry, for the OpenAPI document: the columns of the row, with times as texts. The compiler compares them
 * with what @aether/platform says.
 */

type AsJson<Row> = {
  [Column in keyof Row]: Row[Column] extends Date
    ? string
    : Row[Column] extends Date | null
      ? string | null
      : Row[Column];
};
type SharedRow = Extract<keyof EventRows, 'customer' | 'company' | 'user' | 'tier' | 'address' | 'phone'>;

const moment = () => z.string().openapi({ format: 'date-time' });
const id = () => z.string().openapi({ format: 'uuid' });
const orNull = () => z.string().nullable();

const rows = {
  customer: z.object({
    id: id(),
    email: z.string(),
    name: z.string(),
    phone: orNull(),
    phone_key: orNull(),
    phone_extension: orNull(),
    company_id: id().nullable(),
    created_at: moment(),
    created_by_app: z.string(),
    crm_id: z.int().nullable(),
    account_tier: orNull(),
    account_manager_id: orNull(),
    support_id: z.int().nullable(),
    preferred_language: orNull(),
    timezone: orNull(),
    merged_into: id().nullable(),
    erased_at: moment().nullable(),
  }),
  company: z.object({
    id: id(),
    name: z.string(),
    domain: orNull(),
    owner_id: orNull(),
    created_at: moment(),
    created_by_app: z.string(),
  }),
  user: z.object({
    id: z.string(),
    email: z.string(),
    name: z.string(),
    role: z.enum(roles),
    foundation_user_id: z.int().nullable(),
    support_user_id: z.int().nullable(),
    created_at: moment(),
    last_signed_in: moment().nullable(),
    left_at: moment().nullable(),
  }),
  tier: z.object({
    id: z.int(),
    key: z.string(),
    label: z.string(),
    colour: z.enum(tierColours),
    position: z.int(),
    is_retired: z.boolean(),
    created_at: moment(),
  }),
  address: z.object({
    id: id(),
    email: z.string(),
    customer_id: id(),
    verified_at: moment().nullable(),
    verified_by: z.literal('signed_identity').nullable(),
    created_at: moment(),
    added_by_app: z.string(),
    added_by: orNull(),
  }),
  phone: z.object({
    id: id(),
    customer_id: id(),
    phone: z.string(),
    phone_key: z.string(),
    phone_extension: orNull(),
    created_at: moment(),
    added_by_app: z.string(),
    added_by: orNull(),
  }),
} satisfies { [Entity in SharedRow]: z.ZodType<AsJson<EventRows[Entity]>> };

const customerNames = z.object({
  customerId: id(),
  updatedBy: z.string(),
  timestamp: moment(),
}) satisfies z.ZodType<AsJson<CustomerEventNames>>;

const dealClosed = z.object({
  id: z.int(),
  customer_id: id(),
  outcome: z.enum(['won', 'lost']),
  version: z.int(),
  tier: orNull(),
  previous_tier: orNull(),
  amount: z.number().optional(),
  currency: z.string().optional(),
}) satisfies z.ZodType<DealClosedData>;

/** All columns of a created row, what has changed and what names the row of an updated one, nothing of a deleted one. */
const eventOf = <Types extends [string, ...string[]], Data extends z.ZodRawShape>(
  types: Types,
  data: z.ZodObject<Data>,
) => EventSchema.extend({ type: z.enum(types), data: data.partial(), previous: data.partial() });
const captured = <Entity extends string>(entity: Entity) =>
  [`${entity}.created`, `${entity}.updated`, `${entity}.deleted`] as [string, ...string[]];

/** What a message of the stream carries. */
export const KnownEventSchema = z
  .union([
    eventOf(
      [...captured('customer'), 'customer.erased'] as [string, ...string[]],
      rows.customer.extend(customerNames.shape),
    ).openapi('CustomerEvent'),
    eventOf(
      ['customer.merged', 'customer.unmerged'],
      rows.customer.extend(customerNames.shape).extend({
        merge: id(),
        survivor: id(),
        loser: id(),
        moved: z.record(z.string(), z.int()),
        previous_version: z.int(),
        loser_version: z.int(),
        record: z.record(z.string(), z.unknown()),
      }),
    ).openapi('CustomerMergeEvent'),
    eventOf(captured('company'), rows.company).openapi('CompanyEvent'),
    eventOf(captured('user'), rows.user).openapi('UserEvent'),
    eventOf(captured('tier'), rows.tier).openapi('TierEvent'),
    eventOf(captured('address'), rows.address).openapi('AddressEvent'),
    eventOf(captured('phone'), rows.phone).openapi('PhoneEvent'),
    eventOf(['deal.closed', 'deal.reopened'], dealClosed).openapi('DealClosedEvent', {
      description: 'For apps that were granted it (`aether app events`); with the amount only if that was granted too.',
    }),
  ])
  .openapi('KnownEvent', {
    description:
      'The events of the records that every app sees, by their types. There are others: those of an app’s own records.',
  });
