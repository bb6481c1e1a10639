import { dayOf } from '@aether/ui/formats.ts';
import type { TierChange } from '../api/records.ts';

type Step = { what: string; when: string; detail?: string };

const time = { hour: '2-digit', minute: '2-digit', second: '2-digit', fractionalSecondDigits: 3 } as const;
const ofThatDay = new Intl.DateTimeFormat(undefined, time);
const ofAnotherDay = new Intl.DateTimeFormat(undefined, { ...time, day: 'numeric', month: 'short', year: 'numeric' });
/** To the millisecond; with the day if it is not that of the moment above. */
const exact = (moment: string, above: string | Date) =>
  (dayOf(moment) === dayOf(above) ? ofThatDay : ofAnotherDay).format(new Date(moment));
const appNames: Record<string, string> = { foundation: 'Foundation', support: 'Support' };

/** The path of a changed tier from its change to this page. @param arrived when its event reached this page */
export function listSteps(
  { value, deal, by, event }: TierChange,
  arrived: string | undefined,
  now = new Date(),
): Step[] {
  const { occurred_at, numbered_at, position, previous } = event;
  const app = appNames[by.app] ?? by.app;
  const steps: Step[] = [
    {
      what: deal
        ? `Deal “${deal.name}” was won in ${app}${by.name ? ` by ${by.name}` : ''}`
        : `${by.name ?? 'A program'} changed the tier in ${app}`,
      when: exact(occurred_at, now),
      detail: `${previous ?? 'no tier'} → ${value ?? 'no tier'}`,
    },
    {
      what: `The change became event ${position} of the log`,
      when: exact(numbered_at, occurred_at),
      detail: after(occurred_at, numbered_at),
    },
  ];
  if (arrived)
    steps.push({
      what: 'The event came to this page, which read the customer again',
      when: exact(arrived, numbered_at),
      detail: after(occurred_at, arrived),
    });
  return steps;
}

/** Clocks of two machines differ: a step that seems to precede its cause has no number. */
function after(from: string, to: string): string | undefined {
  const ms = new Date(to).getTime() - new Date(from).getTime();
  if (ms < 0) return undefined;
  return ms < 10_000 ? `${ms} ms after the change` : undefined;
}
