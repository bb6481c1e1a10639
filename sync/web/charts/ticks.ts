const made = new Map<string, Intl.DateTimeFormat>();

function formatOf(parts: Intl.DateTimeFormatOptions, isUtc: boolean, where: string | undefined): Intl.DateTimeFormat {
  const key = JSON.stringify([parts, isUtc, where]);
  const format = made.get(key) ?? new Intl.DateTimeFormat(where, { ...parts, ...(isUtc && { timeZone: 'UTC' }) });
  made.set(key, format);
  return format;
}

const time = { hour: '2-digit', minute: '2-digit', hourCycle: 'h23' } as const;
const day = { day: 'numeric', month: 'short' } as const;
const daySeconds = 86_400;

/** The words below the marks of a time axis: times, and the day where a new one begins. Pure. */
export function nameTicks(seconds: readonly number[], stepSeconds: number, isUtc: boolean, where?: string): string[] {
  return seconds.map((at) => {
    const date = new Date(at * 1_000);
    const clock = formatOf(time, isUtc, where).format(date);
    return stepSeconds >= daySeconds || clock === '00:00' ? formatOf(day, isUtc, where).format(date) : clock;
  });
}

/** The moment of one step for its table and its readout: with the time if the step is shorter than a day. Pure. */
export function nameStep(at: number, stepSeconds: number, isUtc: boolean, where?: string): string {
  const parts = stepSeconds >= daySeconds ? day : { ...day, ...time };
  return formatOf(parts, isUtc, where).format(new Date(at * 1_000));
}

/** The same of a step that may still be under way at `now`: `26 Nov, 14:00, so far`. Pure. */
export function saySoFar(at: number, stepSeconds: number, now: number, isUtc: boolean, where?: string): string {
  return `${nameStep(at, stepSeconds, isUtc, where)}${at + stepSeconds > now ? ', so far' : ''}`;
}
