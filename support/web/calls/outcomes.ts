import type { Tone } from '@aether/ui/Tag.tsx';
import type { CallOutcome } from '../api/records.ts';

export const outcomes: Record<CallOutcome, { label: string; tone: Tone }> = {
  resolved: { label: 'Resolved', tone: 'good' },
  'follow-up': { label: 'To follow up', tone: 'warn' },
  voicemail: { label: 'Voicemail', tone: 'plain' },
  'no-answer': { label: 'No answer', tone: 'plain' },
  'wrong-number': { label: 'Wrong number', tone: 'bad' },
};

export const outcomeChoices = Object.entries(outcomes).map(([value, { label }]) => ({ value, label }));
