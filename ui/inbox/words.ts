import { nameMentions } from '@aether/platform/mentions';
import type { Notice } from './calls.ts';

const things: Record<Notice['record'], string> = {
  customer: 'a customer',
  company: 'a company',
  deal: 'a deal',
  activity: 'a task',
  session: 'a conversation',
};

/** What has happened, as a sentence: `Priya Nair mentioned you in a note`. Pure. */
export function sayNotice({ kind, is_reminder, record, actor, customer, name }: Notice): string {
  const who = actor?.name ?? 'Somebody';
  switch (kind) {
    case 'mention':
      if (record === 'company') return `${who} mentioned you on ${name ?? things.company}`;
      return `${who} mentioned you ${record === 'session' ? 'in a conversation' : 'in the timeline'}`;
    case 'assignment':
      if (record === 'customer') return `${who} made you the manager of ${customer?.name ?? things.customer}`;
      if (record === 'company') return `${who} made you the owner of ${name ?? things.company}`;
      return `${who} gave you ${things[record]}`;
    case 'handover':
      return `${who} handed you a conversation`;
    case 'task':
      return is_reminder ? 'A task to be reminded of' : 'A task is due';
    case 'deadline':
      return 'A conversation soon misses its target';
  }
}

/** What it is about, in one line, as far as the reader may know. Pure. */
export function sayAbout({ record, name, text, mentions, customer }: Notice): string {
  if (record === 'company') return text ? nameMentions(text, mentions) : '';
  const own = text ? nameMentions(text, mentions) : name;
  const whose = customer?.name === own ? undefined : customer?.name;
  return [own, record === 'customer' ? undefined : whose].filter(Boolean).join(' · ');
}
