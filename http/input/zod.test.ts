import { getOpenApiMetadata, OpenAPIRegistry, OpenApiGeneratorV31 } from '@asteasolutions/zod-to-openapi';
import { expect, test } from 'vitest';
import { z } from './zod.ts';

test('what was said of a schema goes on to the schemas that are made of it', () => {
  const said = { description: 'A word.', example: 'tea' };
  const word = z.string().openapi(said);
  const made = [word.optional(), word.nullable(), word.default('tea'), word.min(1), word.max(9), word.refine(Boolean)];
  for (const each of [word, ...made]) expect(getOpenApiMetadata(each)).toEqual(said);
  expect(getOpenApiMetadata(z.string().min(1))).toEqual({}); // nothing was said of it
});

test('a later description adds to the earlier one, and the earlier schema keeps its own', () => {
  const first = z.int().openapi({ description: 'A number.' });
  const second = first.openapi({ example: 7 });
  expect(getOpenApiMetadata(second)).toEqual({ description: 'A number.', example: 7 });
  expect(getOpenApiMetadata(first)).toEqual({ description: 'A number.' });
});

test('the document shows an extended schema by the name of the first one', () => {
  const Animal = z.object({ name: z.string() }).openapi('Animal');
  const Cat = Animal.extend({ lives: z.int().openapi({ example: 9 }) }).openapi('Cat');
  const registry = new OpenAPIRegistry();
  registry.register('Cat', Cat);
  const { components } = new OpenApiGeneratorV31(registry.definitions).generateComponents();
  expect(components?.schemas?.Cat).toEqual({
    allOf: [
      { $ref: '#/components/schemas/Animal' },
      { type: 'object', properties: { lives: { type: 'integer', example: 9 } }, required: ['lives'] },
    ],
  });
});

test('a described schema refuses what a bare one refuses, and is of the same kind', () => {
  const described = z.string().max(3).openapi({ example: 'tea' });
  expect(described).toBeInstanceOf(z.ZodString);
  expect(described.safeParse('tea').success).toBe(true);
  expect(described.safeParse('coffee').success).toBe(false);
  expect(described.optional().safeParse(undefined).success).toBe(true);
});

test('a description takes no functions of its own', () => {
  const described = z.string().openapi({ example: 'tea' });
  expect(Object.values(described).filter((each) => typeof each === 'function')).toEqual([]);
});
