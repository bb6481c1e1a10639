import { clientId, line, object, uuid, z } from '@aether/http';

/** Of one message or entry. */
export const filesMax = 10;

export const SentFileSchema = z
  .object({
    id: z.string().openapi({ format: 'uuid' }),
    name: z.string(),
    type: z.string().openapi({ example: 'image/png', description: 'As it was found in the bytes.' }),
    size: z.int().openapi({ description: 'In bytes.' }),
    width: z.int().optional(),
    height: z.int().optional(),
    has_thumbnail: z.boolean(),
  })
  .openapi('File');

export const NewFileSchema = object({
  client_id: clientId().openapi({
    description: 'Made up by the sender, new for each file. A retry with the same one is the same upload.',
  }),
  name: line({ charactersMax: 200 }),
  size: z.int().min(1, { error: 'must be at least 1: an empty file cannot be sent' }).max(2_147_483_647),
}).openapi('NewFile');

export const UploadSchema = z
  .object({
    id: z.string().openapi({ format: 'uuid' }),
    chunk_bytes: z.int().openapi({ description: 'The size of a part; the last one is shorter.' }),
    missing: z.array(z.int()).openapi({ description: 'The parts that have not arrived, from 0.' }),
    file: SentFileSchema.nullable().openapi({ description: 'Null until it is complete.' }),
  })
  .openapi('Upload');

/** The files of a message or an activity, in its body: ids of complete uploads. */
export const fileIds = () =>
  z
    .array(uuid())
    .min(1)
    .max(filesMax, { error: `may have at most ${filesMax} files` })
    .refine((ids) => new Set(ids).size === ids.length, { error: 'names a file twice' })
    .openapi({ description: 'Complete uploads of the sender in this place, in the order in which they are shown.' });

export const chunkPlace = () =>
  z
    .string()
    .regex(/^\d{1,4}$/, { error: 'must be the number of a part, from 0' })
    .transform(Number)
    .openapi({ type: 'integer', minimum: 0, maximum: 9_999, example: 0 });
