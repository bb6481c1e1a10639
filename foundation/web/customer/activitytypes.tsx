import {
  IconCalendarEvent,
  IconCash,
  IconChecklist,
  IconMail,
  IconMailForward,
  IconMessageCircle,
  IconNote,
  IconPhone,
  IconThumbDown,
  IconTrophy,
} from '@tabler/icons-react';

/** The name and icon of each type of activity. */
export const activityTypes: Record<string, { label: string; icon: typeof IconNote }> = {
  note: { label: 'Note', icon: IconNote },
  call: { label: 'Call', icon: IconPhone },
  email: { label: 'E-mail', icon: IconMail },
  email_sent: { label: 'E-mail sent', icon: IconMailForward },
  email_received: { label: 'E-mail received', icon: IconMail },
  meeting: { label: 'Meeting', icon: IconCalendarEvent },
  task: { label: 'Task', icon: IconChecklist },
  support_chat: { label: 'Support conversation', icon: IconMessageCircle },
  support_call: { label: 'Support call', icon: IconPhone },
  deal_won: { label: 'Deal won', icon: IconTrophy },
  deal_lost: { label: 'Deal lost', icon: IconThumbDown },
};

/** Describes any type, also one that a later app adds. */
export function describeType(type: string): { label: string; icon: typeof IconNote } {
  const words = type.replaceAll('_', ' ');
  return activityTypes[type] ?? { label: words.charAt(0).toUpperCase() + words.slice(1), icon: IconCash };
}
