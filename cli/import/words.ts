/** A value of a record in a table. Pure. */
export const word = (value: unknown) => (value === null || typeof value === 'string' ? value : JSON.stringify(value));
