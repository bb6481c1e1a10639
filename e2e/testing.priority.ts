import { setPriority } from 'node:os';
import { expect } from 'vitest';

// In a run of everything the tests with a browser are one after another, and take longest: the others give way to them, with what they start. Only a
// little, because they must not wait for seconds. Who has given way once does so to the end: only root could take it back.
const below = 3;
if (!expect.getState().testPath?.includes('onestack')) setPriority(below);
