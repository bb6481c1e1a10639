/** A code of the database or of the system, otherwise the class of the error; never its text, which may hold values. */
export function codeOf(error: unknown): string {
  if (error === undefined) return '';
  const { code } = error as { code?: unknown };
  if (typeof code === 'string' && /^[A-Z0-9_]{2,40}$/.test(code)) return code;
  return error instanceof Error ? error.constructor.name : 'other';
}
