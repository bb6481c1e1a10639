import { type Counts, outcomes } from '@aether/importer';

/** `2 created, 1 rejected`. Pure. */
export const describeCounts = (counts: Counts) =>
  outcomes
    .filter((outcome) => counts[outcome] > 0)
    .map((outcome) => `${counts[outcome]} ${outcome}`)
    .join(', ') || 'nothing';
