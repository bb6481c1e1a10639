/** The difference of one field between the value that was read, the person's value, and the stored value. */
export type Difference<Value = unknown> = {
  field: string;
  base: Value;
  mine: Value;
  theirs: Value;
  /** The side that changed it. Only `both` needs a choice; for the others there is one that loses nothing. */
  changedBy: 'me' | 'them' | 'both';
};

export type Side = 'mine' | 'theirs';

/**
 * Every field in which the three differ, in the order of `base`'s keys and then of `mine`'s. Fields that both changed to the
 * same value are no conflict and are left out.
 */
export function findDifferences(
  base: Record<string, unknown>,
  mine: Record<string, unknown>,
  theirs: Record<string, unknown>,
): Difference[] {
  const fields = [...new Set([...Object.keys(base), ...Object.keys(mine)])];
  return fields.flatMap((field) => {
    const wanted = field in mine ? mine[field] : base[field];
    const before = base[field] ?? null;
    const stored = theirs[field] ?? null;
    const isMine = !isSame(wanted, before);
    const isTheirs = !isSame(stored, before);
    if ((!isMine && !isTheirs) || isSame(wanted, stored)) return [];
    const changedBy = isMine && isTheirs ? 'both' : isMine ? 'me' : 'them';
    return [{ field, base: before, mine: wanted ?? null, theirs: stored, changedBy } as Difference];
  });
}

/** The choice that loses no change, for each field where one exists. Fields that both sides changed stay open. */
export function suggestSides(differences: Difference[]): Record<string, Side> {
  return Object.fromEntries(
    differences.flatMap(({ field, changedBy }) =>
      changedBy === 'both' ? [] : [[field, changedBy === 'me' ? 'mine' : 'theirs']],
    ),
  );
}

/** The change to send after the choice: only the fields for which the person chose their own value. */
export function resolve(differences: Difference[], sides: Record<string, Side>): Record<string, unknown> {
  return Object.fromEntries(
    differences.filter(({ field }) => sides[field] === 'mine').map(({ field, mine }) => [field, mine]),
  );
}

function isSame(one: unknown, other: unknown): boolean {
  return (one ?? null) === (other ?? null);
}
