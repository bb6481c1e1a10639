const takers = new WeakSet<object>();

/** Marks a middleware that reads the body of its routes by itself. */
export function takesBytes<Handler extends object>(handler: Handler): Handler {
  takers.add(handler);
  return handler;
}

export const isByteTaker = (handler: object): boolean => takers.has(handler);
