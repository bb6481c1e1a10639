import { afterAll } from 'vitest';
import { endAll } from './testing.ts';

// This is a set-up file, because those run for each test file; the module of atEnd may be loaded only for the first
// one.
afterAll(endAll);
