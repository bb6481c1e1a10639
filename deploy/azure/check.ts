import { fileURLToPath } from 'node:url';
import { Language, type Node, Parser } from 'web-tree-sitter';
import type { AzureType } from './types.ts';

/*
 * What can be known of a file of Bicep without Azure: that it parses, that every name is declared, that a module gets the parameters that it
 * declares and gives the outputs that are read, and that each property of a resource is one of the published types, with a value that it may
 * have; and that no lambda takes an element of a list of resources by its own variable, which Bicep refuses. What an expression gives is not
 * known here, so that only texts, numbers and lists that are written down are compared.
 */

/** A file by its name, as a module names it. */
export type Files = Record<string, string>;

/** The functions of Bicep that are used. */
const functions = new Set(
  'concat environment guid items join json map replace resourceGroup split subscription subscriptionResourceId tenant toLower toUpper uniqueString'.split(
    ' ',
  ),
);
/** What a resource has in Bicep beside its type, and its name, which one of a parent has too. */
const ofBicep = ['parent', 'scope', 'dependsOn', 'name'];

export type Check = (file: string, files: Files) => string[];

/** @returns a function that names what is wrong with a file, each finding with its line; nothing if all is well. */
export async function openCheck(types: Record<string, AzureType>): Promise<Check> {
  await Parser.init();
  const grammar = import.meta.resolve('tree-sitter-bicep/tree-sitter-bicep.wasm');
  const parser = new Parser();
  parser.setLanguage(await Language.load(fileURLToPath(grammar)));
  const parse = (text: string): Node => {
    const tree = parser.parse(text);
    if (!tree) throw new Error('The grammar gave no tree.');
    return tree.rootNode;
  };
  return (file, files) => {
    const root = parse(files[file] ?? '');
    const found: string[] = [];
    const tell = (node: Node, what: string) => void found.push(`${file}:${node.startPosition.row + 1}: ${what}`);
    for (const node of all(root))
      if (node.isError || node.isMissing) tell(node, `\`${node.text.slice(0, 40)}\` is no Bicep`);
    if (found.length > 0) return found;
    checkNames(root, tell);
    checkLambdas(root, tell);
    for (const node of ofKind(root, 'resource_declaration')) checkResource(node, types, tell);
    for (const node of ofKind(root, 'module_declaration')) checkModule(node, root, files, parse, tell);
    return found;
  };
}

type Tell = (node: Node, what: string) => void;

/** A node and all below it. */
function all(node: Node): Node[] {
  return [node, ...node.children.filter((each) => each !== null).flatMap(all)];
}

const named = (node: Node): Node[] => node.namedChildren.filter((each) => each !== null);
const ofKind = (root: Node, kind: string): Node[] => all(root).filter((node) => node.type === kind);
const declared = (root: Node, kind: string): string[] =>
  ofKind(root, kind).map((node) => named(node).find((each) => each.type === 'identifier')?.text ?? '');
const contentOf = (text: Node): string => text.text.slice(1, -1);
const isPlain = (node: Node): boolean =>
  node.type === 'string' && !named(node).some((each) => each.type === 'interpolation');

function checkNames(root: Node, tell: Tell): void {
  const kinds = ['parameter_declaration', 'variable_declaration', 'resource_declaration', 'module_declaration'];
  const known = new Set(kinds.flatMap((kind) => declared(root, kind)));
  const walk = (node: Node, local: Set<string>): void => {
    if (node.type === 'decorator' || node.type === 'type') return;
    const names = new Set([...local, ...loopNames(node)]);
    const [first] = named(node);
    for (const child of named(node)) {
      const isKey = node.type === 'object_property' && child.equals(first as Node);
      const isDeclared = /_declaration$/.test(node.type) && child.equals(first as Node);
      if (child.type !== 'identifier') walk(child, names);
      else if (
        node.type === 'call_expression'
          ? !functions.has(child.text)
          : !isKey && !isDeclared && !known.has(child.text) && !names.has(child.text)
      )
        tell(child, `${child.text} is not declared`);
    }
  };
  walk(root, new Set());
  const used = all(root)
    .filter((node) => node.type === 'identifier')
    .map(({ text }) => text);
  for (const name of declared(root, 'parameter_declaration'))
    if (used.filter((each) => each === name).length < 2) tell(root, `the parameter ${name} is not used`);
}

/** Bicep's BCP247: what a lambda asks of a resource must be known before it runs. */
function checkLambdas(root: Node, tell: Tell): void {
  const resources = ['resource_declaration', 'module_declaration'].flatMap((kind) => declared(root, kind));
  for (const lambda of ofKind(root, 'lambda_expression')) {
    const names = loopNames(lambda);
    for (const access of ofKind(lambda, 'subscript_expression')) {
      const [list, ...index] = named(access);
      if (
        list &&
        resources.includes(list.text) &&
        index.flatMap(all).some((node) => node.type === 'identifier' && names.includes(node.text))
      )
        tell(access, `${access.text} is an element of a list of resources by a variable of a lambda (BCP247)`);
    }
  }
}

function loopNames(node: Node): string[] {
  if (node.type === 'lambda_expression') return [named(node)[0]?.text ?? ''];
  if (node.type !== 'for_statement') return [];
  const [first] = named(node);
  return first?.type === 'for_loop_parameters' ? named(first).map(({ text }) => text) : [first?.text ?? ''];
}

/** The object that a declaration ends with, in a loop or under a condition too. */
function bodyOf(declaration: Node): Node | undefined {
  const last = named(declaration).at(-1);
  if (last?.type === 'for_statement' || last?.type === 'if_statement') return bodyOf(last);
  return last?.type === 'object' ? last : undefined;
}

function checkResource(node: Node, types: Record<string, AzureType>, tell: Tell): void {
  const text = named(node).find(({ type }) => type === 'string');
  const name = text ? contentOf(text) : '';
  const body = bodyOf(node);
  const type = types[name];
  if (!type || typeof type !== 'object' || !('object' in type)) {
    tell(node, `there is no published type ${name}`);
    return;
  }
  if (!body) {
    tell(node, `${name} has no properties`);
    return;
  }
  const isExisting = node.children.some((each) => each?.type === 'existing');
  const object = Object.fromEntries(Object.entries(type.object).filter(([key]) => !ofBicep.includes(key)));
  const given = propertiesOf(body).filter(([key]) => !ofBicep.includes(key));
  if (!isExisting) checkProperties(given, body, { object, ...(type.rest && { rest: type.rest }) }, tell);
  else if (given.length > 0) tell(node, `${name} is existing, and takes a name only`);
}

const propertiesOf = (object: Node): [string, Node][] =>
  named(object)
    .filter(({ type }) => type === 'object_property')
    .map((property) => {
      const [key, value] = named(property) as [Node, Node];
      return [key.type === 'string' ? contentOf(key) : key.text, value];
    });

function checkProperties(
  given: [string, Node][],
  object: Node,
  type: Extract<AzureType, { object: unknown }>,
  tell: Tell,
): void {
  for (const [key, value] of given) {
    const property = type.object[key];
    if (property?.is === 'read-only') tell(value, `${key} cannot be written`);
    else if (property) checkValue(value, property.type, key, tell);
    else if (type.rest) checkValue(value, type.rest, key, tell);
    else tell(value, `${key} is no property here: ${Object.keys(type.object).join(', ')}`);
  }
  for (const [key, { is }] of Object.entries(type.object))
    if (is === 'required' && !given.some(([each]) => each === key)) tell(object, `${key} is missing`);
}

function checkValue(value: Node, type: AzureType, key: string, tell: Tell): void {
  if (type === 'any') return;
  if (value.type === 'ternary_expression') {
    for (const each of named(value).slice(1)) checkValue(each, type, key, tell);
  } else if (typeof type === 'object' && 'object' in type) {
    if (value.type === 'object') checkProperties(propertiesOf(value), value, type, tell);
    else if (isLiteral(value)) tell(value, `${key} is an object`);
  } else if (typeof type === 'object' && 'list' in type) {
    if (value.type === 'array') for (const each of named(value)) checkValue(each, type.list, key, tell);
    else if (isLiteral(value)) tell(value, `${key} is a list`);
  } else if (typeof type === 'object') {
    if (
      isPlain(value)
        ? !type.open && !type.values.some((each) => each.toLowerCase() === contentOf(value).toLowerCase())
        : isLiteral(value)
    )
      tell(value, `${key} is one of ${type.values.join(', ')}`);
  } else {
    const kinds = { text: 'string', number: 'number', boolean: 'boolean' };
    if (isLiteral(value) && value.type !== kinds[type]) tell(value, `${key} is a ${type}`);
  }
}

const isLiteral = ({ type }: Node): boolean => ['string', 'number', 'boolean', 'object', 'array'].includes(type);

function checkModule(node: Node, root: Node, files: Files, parse: (text: string) => Node, tell: Tell): void {
  const text = named(node).find(({ type }) => type === 'string');
  const path = text ? contentOf(text) : '';
  const source = files[path];
  if (source === undefined) {
    tell(node, `there is no file ${path}`);
    return;
  }
  const module = parse(source);
  const body = bodyOf(node);
  const given = body ? propertiesOf(body) : [];
  const params = given.find(([key]) => key === 'params')?.[1];
  const names = params ? propertiesOf(params).map(([key]) => key) : [];
  const parameters = ofKind(module, 'parameter_declaration').map((each) => ({
    name: named(each).find(({ type }) => type === 'identifier')?.text ?? '',
    isOptional: each.children.some((child) => child?.type === '='),
  }));
  for (const name of names)
    if (!parameters.some((each) => each.name === name)) tell(node, `${path} has no parameter ${name}`);
  for (const { name, isOptional } of parameters)
    if (!isOptional && !names.includes(name)) tell(node, `${path} needs the parameter ${name}`);
  const own = named(node).find(({ type }) => type === 'identifier')?.text;
  const outputs = declared(module, 'output_declaration');
  for (const [, read = ''] of root.text.matchAll(new RegExp(`\\b${own}!?\\.outputs\\.(\\w+)`, 'g')))
    if (!outputs.includes(read)) tell(node, `${path} has no output ${read}`);
}
