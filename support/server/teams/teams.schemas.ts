import { line, object, uuid, z } from '@aether/http';
import { canonicalLanguage } from '../context/language.ts';
import { priorities } from '../conversations/labels.ts';
import { OfficeHoursSchema } from '../widgets/officehours.schemas.ts';
import { assigningRules } from './teams.ts';

const minutesMax = 60 * 24 * 60;
const membersMax = 500;

/** The main part of a language, such as pt for pt-BR: who speaks one of them is understood. */
const language = z
  .string()
  .regex(/^[A-Za-z]{2,3}(-[A-Za-z0-9]{1,8})*$/, { error: 'must be a language such as en or pt' })
  .refine((given) => canonicalLanguage(given) !== undefined, { error: 'must be a language such as en or pt' })
  .overwrite((given) => (given.split('-')[0] as string).toLowerCase());

const minutes = () => z.int().min(1).max(minutesMax).nullable();
const TargetSchema = object({ first_response: minutes().optional(), resolution: minutes().optional() });

export const TargetsSchema = object({
  first_response: minutes().openapi({ description: 'Minutes to the first answer of an agent. null: no target.' }),
  resolution: minutes().openapi({ description: 'Minutes to the end of the conversation. null: no target.' }),
  clock: z.enum(['office', 'always']).openapi({
    description: 'office: only minutes in which people are there count. always: all of them do.',
  }),
  warn_minutes: z.int().min(1).max(1_440).default(15).openapi({
    description: 'So many minutes of the clock before a target is missed, the agent is told.',
  }),
  priorities: z.partialRecord(z.enum(priorities), TargetSchema).optional().openapi({
    description: 'Targets of conversations with a priority, instead of those of all.',
  }),
}).openapi('TeamTargets');

export const teamFields = {
  name: line({ charactersMax: 80 }),
  assigning: z.enum(assigningRules).openapi({
    description:
      'none: agents take conversations themselves. round_robin: to the agent whose last one is longest ago. least_open: to the one with the fewest.',
  }),
  open_max: z.int().min(1).max(1_000).nullable().openapi({
    description: 'An agent who has so many open conversations gets no other by the rule. null: no limit.',
  }),
  hours: OfficeHoursSchema.nullable().openapi({ description: 'null: people are always there.' }),
  targets: TargetsSchema.nullable().openapi({ description: 'null: no clock runs.' }),
};

export const membersField = z
  .array(object({ agent_id: uuid(), languages: z.array(language).max(20) }))
  .max(membersMax)
  .refine((members) => new Set(members.map(({ agent_id }) => agent_id)).size === members.length, {
    error: 'must name each agent once',
  })
  .openapi({ description: 'All members, with the languages that they answer in.' });

const named = z.object({ id: z.string().openapi({ format: 'uuid' }), name: z.string() });
export const TeamSchema = z
  .object({
    id: z.string().openapi({ format: 'uuid' }),
    ...teamFields,
    members: z.array(z.object({ agent: named, languages: z.array(z.string()) })),
    widgets: z.array(named),
    version: z.int(),
  })
  .openapi('Team');
