import type { ProblemCodes } from '../codes.ts';
import { nameOperation, tagOperation } from './operations.ts';

/*
 * The OpenAPI document of an app, from what its routes say and by rules for all of them: each operation has a name, a tag and what it asks of
 * the caller, and each refusal has the codes that it can have.
 */

type Content = Record<string, { schema?: object }>;
type Operation = {
  operationId?: string;
  tags?: string[];
  description?: string;
  summary?: string;
  security?: object[];
  parameters?: { in?: string; required?: boolean }[];
  responses: Record<string, { content?: Content }>;
};
type Document = {
  servers?: object[];
  tags?: object[];
  paths?: Record<string, Record<string, Operation>>;
  components?: { schemas?: Record<string, object> };
};

/** Completes the document in place. @param url the address of the server, if it is known */
export function completeDocument(document: object, { codes, url }: { codes: ProblemCodes; url: string }): void {
  const { paths = {}, components = {} } = document as Document;
  const tags = new Map<string, string>();
  const statuses = new Set<number>();
  for (const [path, operations] of Object.entries(paths)) {
    for (const [method, operation] of Object.entries(operations)) {
      operation.operationId ??= nameOperation(method, path);
      operation.tags ??= [tagOperation(path)];
      for (const tag of operation.tags) if (!tags.has(tag)) tags.set(tag, path);
      operation.description ||= operation.summary ?? '';
      operation.security ??= [];
      // A number that is made from the text of the address would count as optional.
      for (const parameter of operation.parameters ?? []) if (parameter.in === 'path') parameter.required = true;
      for (const [status, { content }] of Object.entries(operation.responses)) {
        const refusal = content?.['application/problem+json'];
        if (!refusal) continue;
        statuses.add(Number(status));
        refusal.schema = { $ref: `#/components/schemas/Problem${status}` };
      }
    }
  }
  const schemas = Object.fromEntries(
    [...statuses].sort().map((status) => [`Problem${status}`, describeProblem(status, codes[status])]),
  );
  components.schemas = { ...components.schemas, ...schemas };
  Object.assign(document, {
    servers: [{ url: url || '/' }],
    tags: [...tags].sort().map(([name, path]) => ({ name, description: describeTag(path) })),
    components,
  });
  closeTuples(document);
}

/** `/api/customers/{id}` → What is at `/api/customers`. */
const describeTag = (path: string): string =>
  `What is at \`${path.replace(/(\/api)?(\/[\w-]+).*/, (_, api = '', first) => api + first)}\`.`;

/** A list of fixed parts has no others. The generator leaves that out, which linters take for a mistake. */
function closeTuples(part: unknown): void {
  if (part === null || typeof part !== 'object') return;
  if ('prefixItems' in part && Array.isArray(part.prefixItems)) {
    const { length } = part.prefixItems;
    Object.assign(part, { items: {}, minItems: length, maxItems: length });
  }
  for (const each of Object.values(part)) closeTuples(each);
}

/** A problem with this status. Clients must expect further codes: a later version may have some. */
const describeProblem = (status: number, codes: readonly string[] | undefined) => ({
  allOf: [
    { $ref: '#/components/schemas/Problem' },
    {
      type: 'object',
      properties: {
        status: { type: 'integer', enum: [status] },
        ...(codes && { code: { type: 'string', enum: [...codes] } }),
      },
    },
  ],
});
