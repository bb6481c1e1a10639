import type { Tone } from '@aether/ui/Tag.tsx';
import type { Priority } from '../api/acts.ts';

export const priorityNames: Record<Priority, string> = { low: 'Low', normal: 'Normal', high: 'High', urgent: 'Urgent' };
export const priorityTones: Record<Priority, Tone> = { low: 'plain', normal: 'plain', high: 'warn', urgent: 'bad' };
export const priorities = Object.keys(priorityNames) as Priority[];
