import {
  type CompiledQuery,
  type DatabaseConnection,
  type Dialect,
  type Driver,
  HandleEmptyInListsPlugin,
  Kysely,
  type KyselyPlugin,
  OperationNodeTransformer,
  PostgresAdapter,
  PostgresIntrospector,
  PostgresQueryCompiler,
  type PrimitiveValueListNode,
  type QueryResult,
  type RootOperationNode,
  replaceWithNoncontingentExpression,
  SafeNullComparisonPlugin,
  type UnknownRow,
  ValueNode,
} from 'kysely';
import pg from 'pg';
import { countOf } from './log/counted.ts';
import { valueTypes } from './log/pool.ts';
import type { Queryable } from './log/query.ts';
import type { Transaction } from './log/transaction.ts';

/*
 * Typed queries by Kysely, on the connections and in the transactions of platformDb: with its timeouts, its refusals, its actor and its trace. Kysely builds
 * the statement; platformDb runs it. Where the two would differ in silence, they are made to agree:
 *
 * - Elements of arrays are what single values of their type are: int8 is a number, numeric a text that keeps its digits, an enum or a domain in an array is
 *   no longer one long text.
 * - A value that is undefined would be sent as null, and `= null` finds nothing. It is refused, before anything is sent. `= null` means `is null`.
 * - `in []` would be a syntax error: it finds nothing, and `not in []` everything.
 * - A transaction of Kysely's own is refused: it would not be the one that platformDb knows.
 */

/** Queries on connections of their own, or with a transaction in it. */
export type TypedQueries<Database> = (tx?: Transaction) => Kysely<Database>;

/**
 * Opens typed queries on what `connectPlatform` gave. Types of tables are those that `aether app types` writes.
 *
 * @returns a function: without an argument, queries run on connections of their own; with a transaction, in it.
 * @throws DatabaseUnavailable and the like: it asks the database for its types once.
 */
export async function typedQueries<Database>(db: Queryable): Promise<TypedQueries<Database>> {
  const types = await readTypes(db);
  const open = (on: Queryable) => new Kysely<Database>({ dialect: dialectOn(on, types), plugins: [...plugins] });
  const own = open(db);
  return (tx) => (tx ? open(tx) : own);
}

const dialectOn = (on: Queryable, types: pg.CustomTypesConfig): Dialect => ({
  createDriver: () => driverOn(on, types),
  createQueryCompiler: () => new PostgresQueryCompiler(),
  createAdapter: () => new PostgresAdapter(),
  createIntrospector: (kysely) => new PostgresIntrospector(kysely),
});

function driverOn(on: Queryable, types: pg.CustomTypesConfig): Driver {
  const connection: DatabaseConnection = {
    async executeQuery<Row>({ sql, parameters, query }: CompiledQuery): Promise<QueryResult<Row>> {
      const rows = await on.query(sql, [...parameters], { types });
      const count = query.kind === 'SelectQueryNode' ? undefined : countOf(rows);
      return { rows: rows as Row[], ...(count !== undefined && { numAffectedRows: BigInt(count) }) };
    },
    // biome-ignore lint/correctness/useYield: what cannot be streamed yields nothing.
    async *streamQuery() {
      throw new Error('Rows are not streamed here: read them page by page.');
    },
  };
  const refuse = async () => {
    throw new Error('Use platformDb.transaction, and give its tx to the typed queries.');
  };
  return {
    init: async () => {},
    acquireConnection: async () => connection,
    beginTransaction: refuse,
    commitTransaction: refuse,
    rollbackTransaction: refuse,
    releaseConnection: async () => {},
    destroy: async () => {},
  };
}

/** Refuses what would be sent as null although nobody has said so. */
class RefuseUndefined extends OperationNodeTransformer {
  protected override transformValue(node: ValueNode): ValueNode {
    if (node.value === undefined) throw undefinedValue();
    // In the text: `is` takes no parameter.
    return node.value === null ? ValueNode.createImmediate(null) : super.transformValue(node);
  }
  protected override transformPrimitiveValueList(node: PrimitiveValueListNode): PrimitiveValueListNode {
    if (node.values.includes(undefined)) throw undefinedValue();
    return super.transformPrimitiveValueList(node);
  }
}

const undefinedValue = () =>
  new TypeError('A value of this query is undefined: give one, null, or leave the condition out.');

const refuseUndefined: KyselyPlugin = {
  transformQuery: ({ node }): RootOperationNode => new RefuseUndefined().transformNode(node),
  transformResult: async ({ result }): Promise<QueryResult<UnknownRow>> => result,
};

const plugins: readonly KyselyPlugin[] = [
  refuseUndefined,
  new HandleEmptyInListsPlugin({ strategy: replaceWithNoncontingentExpression }),
  new SafeNullComparisonPlugin(),
];

/** Reads arrays of any type as lists of what single values of that type are. */
async function readTypes(db: Queryable): Promise<pg.CustomTypesConfig> {
  const rows = await db.query<{ list: number; element: number }>(
    `with recursive base (oid, at) as (
       select t.oid, t.oid from pg_catalog.pg_type t where t.typarray <> 0
       union all select b.oid, t.typbasetype from base b join pg_catalog.pg_type t on t.oid = b.at where t.typtype = 'd')
     select t.typarray::bigint as list, b.at::bigint as element
     from base b join pg_catalog.pg_type e on e.oid = b.at join pg_catalog.pg_type t on t.oid = b.oid
     where e.typtype in ('b', 'e', 'r') and e.oid <> 'box'::regtype`,
  );
  const elements = new Map(rows.map(({ list, element }) => [list, element]));
  return {
    getTypeParser(oid: number, format?: 'text' | 'binary') {
      const element = elements.get(oid);
      if (element === undefined || format === 'binary') return valueTypes.getTypeParser(oid, format as 'text');
      const parse = valueTypes.getTypeParser(element, 'text');
      return (text: string) => arrayParser.create(text, parse).parse();
    },
  } as pg.CustomTypesConfig;
}

/** As the driver has it; its declaration names another form. */
const arrayParser = pg.types.arrayParser as unknown as {
  create(text: string, parse: (element: string) => unknown): { parse(): unknown[] };
};
