import { z } from '@aether/http';
import { tagColours } from './tags.ts';

/** A tag as HTTP carries it. */
export const TagSchema = z
  .object({ id: z.int(), name: z.string().openapi({ example: 'Refund' }), colour: z.enum(tagColours) })
  .openapi('Tag');
