import { code, paragraphs, plain, type ReferencePage, table } from './text.ts';

/* The HTTP interface of an app, from the OpenAPI document that its server gives out. */

export type Schema = {
  $ref?: string;
  type?: string | string[];
  format?: string;
  description?: string;
  enum?: unknown[];
  const?: unknown;
  default?: unknown;
  items?: Schema;
  properties?: Record<string, Schema>;
  required?: string[];
  additionalProperties?: Schema | boolean;
  anyOf?: Schema[];
  oneOf?: Schema[];
  allOf?: Schema[];
  minimum?: number;
  maximum?: number;
  minLength?: number;
  maxLength?: number;
  minItems?: number;
  maxItems?: number;
};
type Content = Record<string, { schema?: Schema }>;
type Parameter = { name: string; in: string; required?: boolean; description?: string; schema?: Schema };
type Operation = {
  operationId?: string;
  tags?: string[];
  summary?: string;
  description?: string;
  'x-right'?: string;
  security?: Record<string, string[]>[];
  parameters?: Parameter[];
  requestBody?: { required?: boolean; content?: Content };
  responses: Record<
    string,
    { description?: string; content?: Content; headers?: Record<string, { description?: string }> }
  >;
};
export type OpenApi = {
  info: { title: string; description?: string };
  paths: Record<string, Record<string, Operation>>;
  components?: { schemas?: Record<string, Schema> };
};

/** Each operation under its tag, then the shapes that they name, then the codes of their refusals. Pure. */
export function describeHttp(app: string, document: OpenApi): ReferencePage {
  const operations = Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({ method: method.toUpperCase(), path, operation })),
  );
  const tags = Map.groupBy(operations, ({ operation }) => operation.tags?.[0] ?? 'others');
  const shapes = Object.entries(document.components?.schemas ?? {});
  return {
    path: `reference/http-${app}.md`,
    text: paragraphs(
      `# HTTP of ${document.info.title.replace('Aether ', '')}`,
      document.info.description,
      `The running server has the same for programs at ${code('/openapi.json')}. [HTTP for other apps](../docs/http.md) says how to get a token, repeat a request safely and follow changes.`,
      ...[...tags].flatMap(([tag, of]) => [`## ${plain(headOf(tag))}`, ...of.map(describeOperation)]),
      '## Shapes',
      ...shapes.filter(([name]) => !isProblem(name)).map(([name, schema]) => describeShape(name, schema)),
      '## Refusals',
      `Each is ${code('application/problem+json')} with one of these codes. [Error codes](../docs/error-codes.md) says of each who acts, and how.`,
      table(
        ['status', 'codes'],
        shapes.flatMap(([name, schema]) => {
          const codes = codesOf(schema);
          return isProblem(name) && codes.length > 0 ? [[name.replace('Problem', ''), codes.map(code).join(', ')]] : [];
        }),
      ),
    ),
  };
}

const headOf = (tag: string) => tag.charAt(0).toUpperCase() + tag.slice(1);
const isProblem = (name: string) => /^Problem\d{3}$/.test(name);
const anchor = (name: string) => `shape-${name.toLowerCase()}`;

function codesOf(schema: Schema): string[] {
  const own = schema.properties?.code;
  const here = own ? [...(own.enum ?? []), ...(own.const === undefined ? [] : [own.const])].map(String) : [];
  return [...here, ...[schema.allOf, schema.anyOf, schema.oneOf].flatMap((each) => (each ?? []).flatMap(codesOf))];
}

function describeOperation({
  method,
  path,
  operation,
}: {
  method: string;
  path: string;
  operation: Operation;
}): string {
  const { summary = '', description, parameters = [], requestBody, responses, operationId } = operation;
  const bodies = Object.entries(requestBody?.content ?? {});
  return paragraphs(
    `### ${method} ${plain(path)}`,
    summary,
    description === summary ? undefined : description,
    `${openTo(operation)} ${operationId ? `In generated clients: ${code(operationId)}.` : ''}`,
    table(
      ['parameter', 'in', 'value', 'meaning'],
      parameters.map(({ name, in: place, required, description: words, schema }) => [
        `${code(name)}${required ? '' : ' (optional)'}`,
        place,
        schema ? typeOf(schema) : '',
        words ?? schema?.description ?? '',
      ]),
    ),
    ...bodies.map(([type, { schema }]) =>
      paragraphs(
        `Body${requestBody?.required ? '' : ' (optional)'}, ${code(type)}${schema?.properties ? ':' : `: ${schema ? typeOf(schema) : 'any'}`}`,
        schema ? describeFields(schema) : undefined,
      ),
    ),
    table(
      ['answer', 'meaning', 'body'],
      Object.entries(responses).map(([status, { description: words = '', content = {} }]) => [
        status,
        words,
        Object.entries(content)
          .map(([type, { schema }]) =>
            type === 'application/problem+json'
              ? '[codes](#refusals)'
              : type === 'application/json'
                ? typeOf(schema ?? {})
                : `${code(type)}${schema?.$ref ? `: ${typeOf(schema)}` : ''}`,
          )
          .join('; '),
      ]),
    ),
  );
}

/** Of a route for staff its description says it. */
function openTo({ 'x-right': right, security }: Operation): string {
  if (right) return '';
  const schemes = (security ?? []).flatMap((each) => Object.keys(each));
  return schemes.length > 0 ? `With ${schemes.map(code).join(' or ')}.` : 'Open to everybody.';
}

function describeShape(name: string, schema: Schema): string {
  const fields = describeFields(schema);
  return paragraphs(
    `### Shape ${plain(name)}`,
    schema.description,
    fields || `Is ${typeOf({ ...schema, description: undefined })}.`,
  );
}

/** The fields of an object, those of objects within it by their path. */
function describeFields(schema: Schema): string {
  return table(['field', 'value', 'meaning'], rowsOf(schema, ''));
}

function rowsOf(schema: Schema, before: string): string[][] {
  const parts = schema.allOf ?? [schema];
  return parts.flatMap((part) => {
    if (part.$ref && schema.allOf) return [['', typeOf(part), 'and all of its fields']];
    return Object.entries(part.properties ?? {}).flatMap(([name, field]) => {
      const isOptional = !part.required?.includes(name);
      const inner = field.properties ? field : field.items?.properties ? field.items : undefined;
      const path = `${before}${name}`;
      return [
        [`${code(path)}${isOptional ? ' (optional)' : ''}`, typeOf(field), field.description ?? ''],
        ...(inner ? rowsOf(inner, `${path}${inner === field ? '' : '[]'}.`) : []),
      ];
    });
  });
}

/** What a value is, in a few words. Pure. */
export function typeOf(schema: Schema): string {
  if (schema.$ref) {
    const name = schema.$ref.split('/').at(-1) ?? '';
    return `[${plain(name)}](#${anchor(name)})`;
  }
  if (schema.const !== undefined) return code(JSON.stringify(schema.const));
  if (schema.enum) return schema.enum.map((each) => code(String(each))).join(', ');
  const several = schema.anyOf ?? schema.oneOf;
  if (several) return several.map(typeOf).join(' or ');
  if (schema.allOf) return schema.allOf.map(typeOf).join(' with ');
  const types = Array.isArray(schema.type) ? schema.type : [schema.type ?? ''];
  return types.map((type) => `${wordOf(type, schema)}`).join(' or ');
}

function wordOf(type: string, schema: Schema): string {
  const { items, additionalProperties } = schema;
  if (type === 'array')
    return `list of ${items ? typeOf(items) : 'anything'}${bounds(schema.minItems, schema.maxItems, 'entries')}`;
  if (type === 'object')
    return typeof additionalProperties === 'object' && !schema.properties
      ? `object of ${typeOf(additionalProperties)}`
      : 'object';
  if (type === 'string') return `${schema.format ?? 'text'}${bounds(schema.minLength, schema.maxLength, 'characters')}`;
  if (type === 'integer') return `whole number${bounds(schema.minimum, schema.maximum, '')}`;
  if (type === 'number') return `number${bounds(schema.minimum, schema.maximum, '')}`;
  if (type === 'boolean') return 'true or false';
  return type || 'anything';
}

function bounds(min: number | undefined, max: number | undefined, unit: string): string {
  const least = min === Number.MIN_SAFE_INTEGER ? undefined : min;
  const most = max === Number.MAX_SAFE_INTEGER ? undefined : max;
  const words =
    least !== undefined && most !== undefined
      ? `${least} to ${most} ${unit}`
      : most !== undefined
        ? `up to ${most} ${unit}`
        : least !== undefined && least !== 0
          ? `from ${least} ${unit}`
          : '';
  return words ? `, ${words.trim()}` : '';
}
