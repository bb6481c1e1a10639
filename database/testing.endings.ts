import { afterAll } from 'vitest';
import { endAll } from './testing.ts';

// In a set-up file, which runs for each file of tests: the module of atEnd may be loaded for the first of them only.
afterAll(endAll);
