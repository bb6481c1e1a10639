/** The choices for snoozing, in the agent's own time zone. */
export function listMoments(now: Date): { label: string; at: Date }[] {
  const inHours = (hours: number) => new Date(now.getTime() + hours * 3_600_000);
  const morning = (days: number) => new Date(now.getFullYear(), now.getMonth(), now.getDate() + days, 9);
  const daysToMonday = ((8 - now.getDay()) % 7 || 7) as number;
  return [
    { label: 'In an hour', at: inHours(1) },
    { label: 'In 3 hours', at: inHours(3) },
    { label: 'Tomorrow 9:00', at: morning(1) },
    { label: 'Monday 9:00', at: morning(daysToMonday) },
  ].filter(({ label }, index, all) => index === 0 || label !== 'Monday 9:00' || !isSame(all[2]?.at, all[3]?.at));
}

const isSame = (one: Date | undefined, other: Date | undefined) => one?.getTime() === other?.getTime();

/** The form for `<input type="datetime-local">`: `2026-01-31T09:00` in the agent's own time zone. */
export function toLocalInput(at: Date): string {
  const two = (value: number) => String(value).padStart(2, '0');
  return `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())}T${two(at.getHours())}:${two(at.getMinutes())}`;
}
