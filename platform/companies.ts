import type { App } from './environment.ts';
import { NotFound, VersionConflict } from './errors.ts';
import {
  assignmentsFor,
  columnsOf,
  isUuid,
  nameNotOwned,
  nameTaken,
  parametersFor,
  readCompanyDomain,
  requireDomain,
} from './fields.ts';
import type { Connection } from './log/connection.ts';
import { TransactionConflict } from './log/errors.ts';
import type { Statement } from './log/query.ts';
import type { InTransaction, Write } from './log/transaction.ts';
import { coalesceReads, prepareLookup, runLookup } from './lookups.ts';
import type { Reads } from './reads.ts';

/** A row of platform.companies. */
export type Company = {
  id: string;
  name: string;
  /** Unique and canonical (see readCompanyDomain): the part after the @ in its people's addresses. */
  domain: string | null;
  /** The user who looks after the company. */
  owner_id: string | null;
  version: number;
  created_at: Date;
  updated_at: Date;
  created_by_app: App;
};
/** The database refuses an owner from any app but Foundation: FieldNotOwned. */
export type NewCompany = { name: string; domain?: string | null; owner_id?: string | null };

const companyOwners: Record<string, App> = { owner_id: 'foundation' };
const companyColumns = 'o.id, o.name, o.domain, o.owner_id, o.version, o.created_at, o.updated_at, o.created_by_app';
const byId = prepareLookup('company-by-id', 'uuid', `select ${companyColumns} from platform.companies o where o.id`);
const byDomain: Statement = {
  name: 'company-by-domain',
  text: `select ${companyColumns} from platform.companies o where o.domain = $1`,
};
/** Holds the row to the end of the transaction if it is at this version. */
const holdVersion: Statement = {
  name: 'company-hold-version',
  text: `select ${companyColumns} from platform.companies o where o.id = $1 and o.version = $2 for no key update`,
};

export type CompanyCalls = ReturnType<typeof companyCalls>;

/** The calls of platformDb about companies. */
export function companyCalls(connection: Connection, reads: Reads) {
  const coalescedById = coalesceReads<string, Company>(
    async (on, ids, tell) => {
      for (const company of await runLookup<Company>(on, byId, ids)) tell(company.id, company);
    },
    reads,
    connection.lookupCounts,
  );

  async function getCompanyById(id: string, { tx }: InTransaction = {}): Promise<Company | null> {
    if (!isUuid(id)) return null;
    const asked = id.toLowerCase();
    return tx ? ((await runLookup<Company>(tx, byId, [asked]))[0] ?? null) : coalescedById(asked);
  }

  async function getCompanyByDomain(domain: string, { tx }: InTransaction = {}): Promise<Company | null> {
    const asked = readCompanyDomain(domain);
    if (!asked) return null;
    const [company] = await (tx?.run ?? reads.find)<Company>(byDomain, [asked]);
    return company ?? null;
  }

  /** Names what the database does not: the field that another app owns, or the domain that another company has. */
  const nameRefused = (error: unknown, change: Partial<NewCompany>): unknown =>
    nameTaken(nameNotOwned(error, connection.app, change, companyOwners), { by: 'domain', value: change.domain });

  async function createCompany({ domain, ...rest }: NewCompany, write: Write = {}): Promise<Company> {
    const given = { ...rest, domain: domain == null ? null : requireDomain(domain) };
    const { columns, values } = columnsOf(given, ['name', 'domain', 'owner_id']);
    return connection.within(write, async (tx) => {
      const [company] = await tx
        .query<Company>(
          `insert into platform.companies as o (${columns.join(', ')}) values (${parametersFor(columns, 1)})
           returning ${companyColumns}`,
          values,
        )
        .catch((error) => {
          throw nameRefused(error, given);
        });
      return company as Company;
    });
  }

  async function findOrCreateCompany(
    { name, domain }: { name: string; domain: string },
    write: Write = {},
  ): Promise<{ company: Company; created: boolean }> {
    const canonical = requireDomain(domain);
    return connection.within(write, async (tx) => {
      const known = await getCompanyByDomain(canonical, { tx });
      if (known) return { company: known, created: false };
      const [made] = await tx.query<Company>(
        `insert into platform.companies as o (name, domain) values ($1, $2) on conflict (domain) do nothing returning ${companyColumns}`,
        [name, canonical],
      );
      if (made) return { company: made, created: true };
      const rival = await getCompanyByDomain(canonical, { tx }); // our insert waited until the rival had committed
      if (!rival) throw new TransactionConflict();
      return { company: rival, created: false };
    });
  }

  async function updateCompany(
    id: string,
    change: Partial<NewCompany>,
    write: Write & { expectedVersion?: number } = {},
  ): Promise<Company> {
    if (!isUuid(id)) throw new NotFound('company');
    const domain = change.domain == null ? change.domain : requireDomain(change.domain);
    const { columns, values } = columnsOf({ ...change, domain }, ['name', 'domain', 'owner_id']);
    return connection.within(write, async (tx) => {
      if (columns.length > 0) {
        const [updated] = await tx
          .query<Company>(
            `update platform.companies o set ${assignmentsFor(columns, 3)}
            where o.id = $1 and o.version = coalesce($2, o.version) returning ${companyColumns}`,
            [id, write.expectedVersion ?? null, ...values],
          )
          .catch((error) => {
            throw nameRefused(error, { ...change, domain });
          });
        if (updated) return updated;
      } else if (write.expectedVersion !== undefined) {
        const [held] = await tx.run<Company>(holdVersion, [id, write.expectedVersion]);
        if (held) return held;
      }
      const current = await getCompanyById(id, { tx });
      if (!current) throw new NotFound('company');
      if (write.expectedVersion !== undefined && write.expectedVersion !== current.version)
        throw new VersionConflict('company', write.expectedVersion, current.version);
      if (columns.length > 0 || write.expectedVersion !== undefined) throw new TransactionConflict();
      return current;
    });
  }

  return {
    /** The company of this id; null if there is none. */
    getCompanyById,
    /** The company of this domain, in any spelling; null if there is none. */
    getCompanyByDomain,
    /** Makes a company. @throws AlreadyExists if another company has the domain, InvalidField, ReferenceNotFound, FieldNotOwned */
    createCompany,
    /** Finds the company of this domain or makes it; an existing one keeps its name. @throws InvalidField */
    findOrCreateCompany,
    /** Changes the given fields and no others. With no field but an `expectedVersion`, the company is held at that version until `tx` ends. @throws VersionConflict, NotFound, AlreadyExists, InvalidField, ReferenceNotFound, FieldNotOwned */
    updateCompany,
  };
}
