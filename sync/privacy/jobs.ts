import { rowsOf, type Sql } from '../sql.ts';
import { type JobLine, jobLock } from './erasingmany.ts';
import type { ListRefusal } from './lists.ts';

/** How far a job of erasures is. */
export type ErasureJob = {
  id: string;
  reason: string;
  begunAt: Date;
  begunBy: string;
  /** When and by whom it was begun or gone on with the last time; null: it was begun by an older version. */
  runAt: Date | null;
  runBy: string | null;
  stoppedAt: Date | null;
  stoppedBy: string | null;
  /** Some process is at it. */
  isRunning: boolean;
  people: number;
  /** Nobody has come to them. */
  open: number;
  /** Of these the list was not read before the job was cut off: it is needed again. */
  unread: number;
  asked: number;
  erased: number;
  refused: Partial<Record<ListRefusal, number>>;
  /** Who was refused and is known: they are tried again when somebody goes on with the job. */
  again: number;
  /** Whom this run of the job has still to come to. */
  left: number;
  /** People a second, in the last minute of this run; null: it does not run. */
  perSecond: number | null;
};

/** Of one job also what takes longer to find out. */
export type ErasureJobDetail = ErasureJob & {
  /** Who was asked for and can be confirmed by the person who asks now. */
  confirmable: number;
  /** The clean-up of some of them is open. */
  isCleaning: boolean;
};

const columns = `
  j.id, j.reason, j.begun_at as "begunAt", j.begun_by as "begunBy", j.run_at as "runAt", j.run_by as "runBy",
  j.stopped_at as "stoppedAt", j.stopped_by as "stoppedBy", l.held as "isRunning", p.people, p.open, p.unread, p.asked, p.erased,
  jsonb_strip_nulls(jsonb_build_object('unreadable', nullif(p.unreadable, 0), 'unknown', nullif(p.unknown, 0),
    'several', nullif(p.several, 0), 'held', nullif(p.held, 0), 'busy', nullif(p.busy, 0))) as refused, p.again, p."left",
  case when l.held then p.recent / greatest(extract(epoch from clock_timestamp() - greatest(j.run_at,
    clock_timestamp() - interval '1 minute')), 0.001)::float8 end as "perSecond"`;
const places = `
  from platform.erasure_jobs j
    cross join lateral (
      select exists (
        select from pg_locks l
        where l.locktype = 'advisory' and l.granted and l.database = (select d.oid from pg_database d where d.datname = current_database())
          and l.classid = ${jobLock}::oid and l.objid = (hashtext(j.id::text)::bigint & 4294967295)::oid) as held) l
    cross join lateral (
      select count(*)::float8 as people, count(*) filter (where p.state = 'open')::float8 as open,
        count(*) filter (where p.state = 'open' and p.customer_id is null)::float8 as unread,
        count(*) filter (where p.state = 'asked')::float8 as asked, count(*) filter (where p.state = 'erased')::float8 as erased,
        count(*) filter (where p.refusal = 'unreadable')::float8 as unreadable,
        count(*) filter (where p.refusal = 'unknown')::float8 as unknown,
        count(*) filter (where p.refusal = 'several')::float8 as several,
        count(*) filter (where p.refusal = 'held')::float8 as held, count(*) filter (where p.refusal = 'busy')::float8 as busy,
        count(*) filter (where p.state = 'refused' and p.customer_id is not null)::float8 as again,
        count(*) filter (where p.state = 'open' or p.state = 'asked' and p.decided_at < j.run_at)::float8 as "left",
        count(*) filter (where p.decided_at > greatest(j.run_at, clock_timestamp() - interval '1 minute'))::float8 as recent
      from platform.erasure_job_places p where p.job = j.id) p`;

/** Jobs, the newest first. @param before the id of a job: only older ones */
export async function listJobs(
  client: Sql,
  { before, limit = 20 }: { before?: string; limit?: number } = {},
): Promise<ErasureJob[]> {
  return rowsOf<ErasureJob>(
    client,
    `with newest as materialized (
       select b.id from platform.erasure_jobs b where $1::uuid is null or b.id < $1 order by b.id desc limit $2)
     select ${columns} ${places} where j.id in (select n.id from newest n) order by j.id desc`,
    [before, limit],
  );
}

/** @param client with `aether.actor` set: who asked for an erasure does not confirm it */
export async function readJob(client: Sql, id: string): Promise<ErasureJobDetail | undefined> {
  const [found] = await rowsOf<ErasureJobDetail>(
    client,
    `select ${columns}, e.confirmable, e."isCleaning" ${places}
     cross join lateral (
       select count(*) filter (where p.state = 'asked' and (e.state <> 'asked' or not s.two_people
           or e.asked_by is distinct from nullif(current_setting('aether.actor', true), '')))::float8 as confirmable,
         coalesce(bool_or(e.state = 'erased'), false) as "isCleaning"
       from platform.privacy_settings s left join platform.erasure_job_places p on p.job = j.id
         left join platform.erasures e on e.id = p.erasure) e
     where j.id = $1`,
    [id],
  );
  return found;
}

/** Stops a job before its next person. @returns whether it was not stopped before */
export async function stopJob(client: Sql, id: string): Promise<boolean> {
  const [row] = await rowsOf<{ stopped: boolean }>(client, 'select platform.stop_erasure_job($1) as stopped', [id]);
  return row?.stopped === true;
}

/** A line of a job with its place, behind which the next ones are. */
export type PlacedLine = JobLine & { place: number; decidedAt: Date | null };

/** Lines of a job in the order of its list. @param state only of this one @param after a place: only those behind it */
export async function listLines(
  client: Sql,
  id: string,
  { state, after = 0, limit = 100 }: { state?: JobLine['state']; after?: number; limit?: number } = {},
): Promise<PlacedLine[]> {
  return rowsOf<PlacedLine>(
    client,
    `select p.place, coalesce(p.line, p.place) as line, p.state, p.customer_id as customer, p.erasure, p.refusal,
       p.decided_at as "decidedAt"
     from platform.erasure_job_places p
     where p.job = $1 and p.place > $2 and ($3::text is null or p.state = $3) order by p.place limit $4`,
    [id, after, state, limit],
  );
}
