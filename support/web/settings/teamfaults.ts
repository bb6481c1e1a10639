import type { Span, Team } from '../api/records.ts';
import { weekDays } from '../api/records.ts';
import { dayNames } from './rules.ts';

/** What keeps a team from being saved, as sentences. Pure. */
export function findTeamFaults({ name, hours, members }: Pick<Team, 'name' | 'hours' | 'members'>): string[] {
  const faults: string[] = [];
  if (name.trim() === '') faults.push('Write a name.');
  for (const { agent, languages } of members)
    for (const language of languages)
      if (!/^[a-z]{2,3}(-[a-z0-9]{1,8})*$/i.test(language))
        faults.push(`${language} of ${agent.name} is no language: write it as de or pt-BR.`);
  const check = (what: string, spans: Span[]) => {
    for (const [from, to] of spans)
      if (from === '' || to === '') faults.push(`${what} has hours without a beginning or an end.`);
      else if (from === to) faults.push(`${what} has hours that end when they begin.`);
  };
  for (const day of weekDays) check(dayNames[day], hours?.days[day] ?? []);
  const dates = new Set<string>();
  for (const [index, { date, name, hours: spans }] of (hours?.holidays ?? []).entries()) {
    const what = name.trim() || `Holiday ${index + 1}`;
    if (name.trim() === '') faults.push(`${what} has no name.`);
    if (date === '') faults.push(`${what} has no date.`);
    else if (dates.has(date)) faults.push(`${what} is on a date that another holiday has.`);
    dates.add(date);
    check(what, spans);
  }
  return faults;
}
