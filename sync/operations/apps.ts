import { rowsOf, type Sql } from '../sql.ts';

/** An app of platform.apps, as the database and its own processes tell of it. */
export type AppStatus = {
  name: string;
  role: string;
  audience: string;
  created_at: Date;
  logins: {
    name: string;
    /** Of all databases of this server, as its limit counts them. */
    connections: number;
    /** Null: without a limit. */
    connections_max: number | null;
  }[];
  /** The schema that it has for itself, and how many tables are in it. */
  schema: { name: string; tables: number } | null;
  /** Its clients at the identity provider, each with what it may do at most. */
  machines: { client: string; scopes: string[] }[];
  /** Events of deals that it is told of. */
  granted: { type: string; with_amounts: boolean }[];
  /** The types that the database publishes and it may see. */
  sees: string[];
  /** The types of its own among the latest events of the log. */
  publishes: string[];
  /** Of its processes that report. */
  processes: { live: number; silent: number };
  /** When one of its processes reported last; null if none is known. */
  seen_at: Date | null;
  /** When it last changed something, as one of its logins; null if nothing of that is among the latest events of the log. */
  wrote_at: Date | null;
  /** The oldest migration that one of its live processes is made for; null if none says. */
  made_for: number | null;
  /** Subscriptions of its own; those of its webhooks are the worker's. */
  subscriptions: string[];
};

/** How many of the latest events are looked at for the types that apps publish. */
const latestEvents = 10_000;

/** All apps, by name. */
export const listApps = (client: Sql): Promise<AppStatus[]> =>
  rowsOf<AppStatus>(
    client,
    `with latest as materialized (
       select l.type, l.login, max(l.occurred_at) as occurred_at
       from (select e.type, e.login, e.occurred_at from sync.events e order by e.position desc limit ${latestEvents}) l
       group by l.type, l.login),
     processes as materialized (
       select p.app, count(*) filter (where p.state = 'live')::integer as live,
         count(*) filter (where p.state = 'silent')::integer as silent,
         min(least(greatest((p.report #>> '{library,migration}')::numeric, 0), 100000)) filter (
           where p.state = 'live' and jsonb_typeof(p.report #> '{library,migration}') = 'number')::float8 as made_for
       from sync.list_processes() p group by p.app)
     select a.name, a.role::text as role, a.audience, a.created_at,
       (select coalesce(jsonb_agg(jsonb_build_object('name', r.rolname, 'connections_max', nullif(r.rolconnlimit, -1), 'connections',
           (select count(*) from pg_stat_activity b where b.usesysid = r.oid)) order by r.rolname), '[]')
         from pg_auth_members m join pg_roles r on r.oid = m.member
         where m.roleid = to_regrole(a.role) and m.inherit_option and r.rolcanlogin) as logins,
       (select jsonb_build_object('name', n.nspname, 'tables',
           (select count(*) from pg_class c where c.relnamespace = n.oid and c.relkind in ('r', 'p') and not c.relispartition))
         from pg_namespace n where n.nspname in (a.name, a.audience) order by n.nspname = a.name desc limit 1) as schema,
       (select coalesce(jsonb_agg(jsonb_build_object('client', c.client, 'scopes', c.scopes) order by c.client), '[]')
         from platform.app_clients c where c.app = a.name) as machines,
       (select coalesce(jsonb_agg(jsonb_build_object('type', g.type, 'with_amounts', g.with_amounts) order by g.type), '[]')
         from platform.app_events g where g.app = a.name) as granted,
       array(select sync.list_visible_types(a.name)) as sees,
       array(select distinct l.type from latest l where starts_with(l.type, a.name || '.') order by l.type) as publishes,
       jsonb_build_object('live', coalesce(p.live, 0), 'silent', coalesce(p.silent, 0)) as processes,
       (select max(h.beat_at) from sync.heartbeats h where h.app = a.name) as seen_at,
       (select max(l.occurred_at) from latest l join pg_roles r on r.rolname = l.login
         join pg_auth_members m on m.member = r.oid where m.roleid = to_regrole(a.role) and m.inherit_option) as wrote_at,
       p.made_for,
       array(select s.name from sync.subscriptions s where s.app = a.name order by s.name) as subscriptions
     from platform.apps a left join processes p on p.app = a.name order by a.name`,
  );
