/**
 * `npm run azure:types -- FOLDER`: writes types.json, what Azure's published types (github.com/Azure/bicep-types-az, FOLDER is a clone of it)
 * say about the resources of our Bicep, so that a test compares each property without a network.
 */
import { execFileSync } from 'node:child_process';
import { globSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** A type: a word for simple ones, what a text may be, a list, or an object. */
export type AzureType =
  | 'any'
  | 'text'
  | 'number'
  | 'boolean'
  | { values: string[]; open: boolean }
  | { list: AzureType }
  | { object: Record<string, { type: AzureType; is?: 'required' | 'read-only' }>; rest?: AzureType };

type Published = Record<string, unknown> & { $type: string };
type Property = { type: { $ref: string }; flags: number };

const required = 1;
const readOnly = 2;
/** What every resource of Bicep has, without writing it. */
const common = ['id', 'type', 'apiVersion'];
const deepest = 12;

/** One type of a file of published types. Recursion ends in `any`. Pure. */
export function readType(types: Published[], at: number, depth = 0): AzureType {
  const type = types[at] as Published;
  const follow = ({ $ref }: { $ref: string }) => readType(types, Number($ref.slice(2)), depth + 1);
  if (depth > deepest) return 'any';
  switch (type.$type) {
    case 'StringType':
      return 'text';
    case 'IntegerType':
      return 'number';
    case 'BooleanType':
      return 'boolean';
    case 'StringLiteralType':
      return { values: [type.value as string], open: false };
    case 'ArrayType':
      return { list: follow(type.itemType as { $ref: string }) };
    case 'UnionType': {
      const members = (type.elements as { $ref: string }[]).map(follow);
      const values = members.flatMap((each) => (typeof each === 'object' && 'values' in each ? each.values : []));
      return values.length > 0 ? { values, open: members.includes('text') } : 'any';
    }
    case 'DiscriminatedObjectType': {
      const elements = Object.values(type.elements as Record<string, { $ref: string }>).map(follow);
      const object = Object.assign(
        {},
        ...elements.map((each) => (typeof each === 'object' && 'object' in each ? each.object : {})),
      );
      return { object: { ...readProperties(type.baseProperties as Record<string, Property>, follow), ...object } };
    }
    case 'ObjectType': {
      const rest = type.additionalProperties as { $ref: string } | undefined;
      return {
        object: readProperties(type.properties as Record<string, Property>, follow),
        ...(rest && { rest: follow(rest) }),
      };
    }
    case 'ResourceType': {
      const body = follow(type.body as { $ref: string });
      if (typeof body === 'object' && 'object' in body) for (const name of common) delete body.object[name];
      return body;
    }
    default:
      return 'any';
  }
}

function readProperties(
  properties: Record<string, Property>,
  follow: (ref: { $ref: string }) => AzureType,
): Record<string, { type: AzureType; is?: 'required' | 'read-only' }> {
  return Object.fromEntries(
    Object.entries(properties).map(([name, { type, flags }]) => {
      if (flags & readOnly) return [name, { type: 'any', is: 'read-only' }];
      return [name, { type: follow(type), ...(flags & required && { is: 'required' }) }];
    }),
  );
}

if (process.argv[1] === import.meta.filename) {
  const [folder = '.'] = process.argv.slice(2);
  const files = globSync(['*.bicep', 'infra/*.bicep'], { cwd: import.meta.dirname });
  const texts = files.map((file) => readFileSync(join(import.meta.dirname, file), 'utf8'));
  const named = [
    ...new Set(texts.flatMap((text) => [...text.matchAll(/^resource \w+ '([^']+)'/gm)].map(([, name = '']) => name))),
  ];
  const git = (...args: string[]) =>
    execFileSync('git', ['-C', folder, ...args], { encoding: 'utf8', maxBuffer: 2 ** 28 });
  const paths = git('ls-tree', '-r', '--name-only', 'HEAD', 'generated').split('\n');
  const found: Record<string, AzureType> = {};
  for (const name of named.sort()) {
    const [, provider = '', version = ''] = /^([^/]+)\/.*@(.+)$/.exec(name) ?? [];
    const ending = `/${provider.toLowerCase()}/${version}/types.json`;
    for (const path of paths.filter((each) => each.endsWith(ending))) {
      const types = JSON.parse(git('show', `HEAD:${path}`)) as Published[];
      const at = types.findIndex(
        (each) => each.$type === 'ResourceType' && String(each.name).toLowerCase() === name.toLowerCase(),
      );
      if (at >= 0) found[name] = readType(types, at);
    }
    if (!found[name]) throw new Error(`The published types have no ${name}.`);
  }
  const of = git('rev-parse', 'HEAD').trim();
  // A type a line, so that a difference shows which one has changed.
  const lines = Object.entries(found).map(([name, type]) => `${JSON.stringify(name)}: ${JSON.stringify(type)}`);
  writeFileSync(join(import.meta.dirname, 'types.json'), `{ "of": "${of}", "types": {\n${lines.join(',\n')}\n} }\n`);
  console.log(`${named.length} types of ${of}.`);
}
