/** Why a place is refused: there is none for anybody, or none more for this one. */
export type NoSeat = 'all-taken' | 'own-taken';

/**
 * Counts what is open at once in this process: in all, and for each person, machine or address.
 *
 * @param max over all of them.
 * @param maxEach for each of them.
 * @returns takes a place. It gives the function that frees the place, once however often it is called.
 */
export function countSeats({ max, maxEach }: { max: number; maxEach: number }): (who: string) => (() => void) | NoSeat {
  const perEach = new Map<string, number>();
  let taken = 0;
  return (who) => {
    const own = perEach.get(who) ?? 0;
    if (own >= maxEach) return 'own-taken';
    if (taken >= max) return 'all-taken';
    taken += 1;
    perEach.set(who, own + 1);
    let isTaken = true;
    return () => {
      if (!isTaken) return;
      isTaken = false;
      taken -= 1;
      const left = (perEach.get(who) ?? 1) - 1;
      if (left > 0) perEach.set(who, left);
      else perEach.delete(who);
    };
  };
}
