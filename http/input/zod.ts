import { zodToOpenAPIRegistry as described } from '@asteasolutions/zod-to-openapi';
import { z } from '@hono/zod-openapi';

/*
 * zod with `.openapi(…)`, as the library of the documents has it, but for its memory: the library gives every described schema ten
 * functions of its own, by which what was said goes on to `.optional()`, `.min()` and so on; with three apps in one process those are
 * 3 MB. Here the described schemas of a kind share them.
 *
 * Import `z` from here, or from `@aether/http`: a schema that is described before this module runs has the library's functions.
 */

type Schema = z.ZodType;
type Method = (this: Schema, ...args: unknown[]) => Schema;
type Said = { _internal?: { refId?: string; extendedFrom?: unknown }; param?: object } & Record<string, unknown>;

/** What was said of a schema goes on to the one that these make of it. */
const passingOn = ['catchall', 'optional', 'nullable', 'default', 'transform', 'refine', 'length', 'min', 'max'];

function openapi(this: Schema, ...given: [string, object?, object?] | [object, object?]): Schema {
  const [refId, said = {}, options] =
    typeof given[0] === 'string' ? (given as [string, object?, object?]) : [undefined, ...given];
  const { param, ...more } = said as Said;
  const { _internal: internal, ...before } = saidOf(this) ?? {};
  const kept = { ...internal, ...options, ...(refId && { refId }) };
  const schema = new (this.constructor as new (def: unknown) => Schema)(this._def);
  const all = {
    ...(Object.keys(kept).length > 0 && { _internal: kept }),
    ...before,
    ...more,
    ...((before.param || param) && { param: { ...before.param, ...param } }),
  };
  describe(schema, all);
  if (schema instanceof z.ZodLazy) describe(this, all); // z.json() holds itself
  return Object.setPrototypeOf(schema, describedKind(schema));
}

const kinds = new WeakMap<object, object>();

/** The prototype of the described schemas of this kind. */
function describedKind(schema: Schema): object {
  const bare = Object.getPrototypeOf(schema);
  let kind = kinds.get(bare);
  if (!kind) {
    kind = Object.create(bare) as object;
    kinds.set(bare, kind);
    // zod binds a method to the schema that is asked for it; asked by nobody, it gives the method itself.
    const methodOf = (name: string): Method | undefined => Reflect.get(bare, name, undefined);
    const define = (name: string, make: (method: Method) => Method) => {
      const method = methodOf(name);
      if (method) Object.defineProperty(kind, name, { value: make(method), configurable: true, writable: true });
    };
    for (const name of passingOn)
      define(
        name,
        (method) =>
          function (...args) {
            const made = method.apply(this, args);
            const said = saidOf(this);
            if (said) describe(made, said);
            return made;
          },
      );
    define(
      'extend',
      (method) =>
        function (...args) {
          const made = method.apply(this, args);
          const { _internal: internal, ...said } = saidOf(this) ?? {};
          const extendedFrom = internal?.refId ? { refId: internal.refId, schema: this } : internal?.extendedFrom;
          describe(made, { _internal: { extendedFrom } });
          return made.openapi(said);
        },
    );
    define(
      'meta',
      (method) =>
        function (...args) {
          const made = method.apply(this, args);
          const said = described.get(this as never) as Said | undefined;
          if (args[0] && said) describe(made, { ...said, ...args[0] });
          return made;
        },
    );
  }
  return kind;
}

/** What `.openapi()` said of a schema, and what zod's own `.meta()` did. */
function saidOf(schema: Schema): Said | undefined {
  const own = described.get(schema as never) as Said | undefined;
  const general = z.globalRegistry.get(schema) as Said | undefined;
  if (!own) return general;
  const { _internal: internal, ...said } = own;
  const { id, title, ...more } = general ?? {};
  return {
    _internal: { ...(id ? { refId: id as string } : {}), ...internal },
    ...said,
    ...(title ? { description: title } : {}),
    ...more,
  };
}

function describe(schema: Schema, said: Said): void {
  described.add(schema as never, said as never);
}

// Not enumerable: zod would bind it to each schema.
const shared = { value: openapi, configurable: true, enumerable: false, writable: true };
for (const kind of Object.values(z))
  if (typeof kind === 'function' && /^Zod(?!.*Error)/.test(kind.name))
    Object.defineProperty(kind.prototype, 'openapi', shared);

export { z };
