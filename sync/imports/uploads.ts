import { Readable } from 'node:stream';
import type { Answers, ByteSource, Field, Recognition } from '@aether/importer';
import { openSource } from '@aether/importer';
import type pg from 'pg';
import { rowsOf, type Sql } from '../sql.ts';

/** What a person chose for a file. What is absent keeps what was recognised. */
export type UploadSettings = {
  /** Where the ids of its rows come from. */
  source?: string | undefined;
  /** Columns with another meaning than the proposed one. */
  mapping?: { column: string; field: Field | null }[] | undefined;
  answers?: (Omit<Answers, 'dayOrder'> & FileAnswers) | undefined;
  /** Of telephone numbers without their country. */
  phoneCountry?: string | undefined;
};
type FileAnswers = {
  encoding?: string | undefined;
  sheet?: string | undefined;
  dayOrder?: { column: string; order: 'day-first' | 'month-first' }[] | undefined;
};

/** A recognition as it is kept: with the rows of the file, once they are counted. */
export type KeptRecognition = Recognition & { rows?: number };

export type Upload = {
  id: number;
  name: string;
  size: number;
  state: 'uploading' | 'stored' | 'recognised' | 'refused' | 'removed';
  recognition: KeptRecognition | null;
  /** Why nothing can be read from it. */
  refusal: string | null;
  settings: UploadSettings;
  is_remembered: boolean;
  began_at: Date;
  stored_at: Date | null;
  /** When its bytes are removed, unless somebody uses it before. */
  goes_at: Date | null;
  actor: string | null;
  login: string;
};

const columns = `u.id::float8 as id, u.name, u.size::float8 as size, u.state, u.refusal, u.settings, u.is_remembered, u.began_at,
  u.stored_at, u.actor, u.login, case when u.state <> 'removed' then u.used_at + sync.import_files_kept(u.state) end as goes_at`;

/** The files that are not removed, the newest first, without their columns. */
export function listUploads(client: Sql, { limit = 50 } = {}): Promise<(Upload & { label: string | null })[]> {
  return rowsOf(
    client,
    `select ${columns}, u.recognition ->> 'label' as label,
       case when u.recognition ? 'rows' then jsonb_build_object('rows', u.recognition -> 'rows') end as recognition
     from sync.import_uploads u where u.state <> 'removed' order by u.id desc limit $1`,
    [limit],
  );
}

/** The files with these ids, in that order. */
export function readUploads(client: Sql, ids: number[]): Promise<Upload[]> {
  return rowsOf(
    client,
    `select ${columns}, u.recognition from unnest($1::bigint[]) with ordinality a (id, place)
       join sync.import_uploads u on u.id = a.id order by a.place`,
    [ids],
  );
}

/** Opens the bytes of a file for reading. `close` removes the copy that is read. @param client as sync_app */
export function openUpload(client: pg.ClientBase, { id, name }: Pick<Upload, 'id' | 'name'>): Promise<ByteSource> {
  async function* chunks(): AsyncGenerator<Buffer> {
    for (let place = 0; ; place += 1) {
      const { rows } = await client.query<{ bytes: Buffer }>(
        'select c.bytes from sync.import_chunks c where c.upload = $1::bigint and c.place = $2::integer',
        [id, place],
      );
      if (!rows[0]) return;
      yield rows[0].bytes;
    }
  }
  return openSource(Readable.from(chunks(), { objectMode: false }), { name });
}
