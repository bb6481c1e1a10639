import { afterAll, afterEach, aroundAll, aroundEach } from 'vitest';
import { inScope } from './testing.scope.ts';
import { endAll, tellFailure } from './testing.ts';

// This is a set-up file, because those run for each test file; the module of atEnd may be loaded only for the first
// one.
afterAll(endAll);
aroundAll((runFile) => inScope('file', runFile));
aroundEach((runTest) => inScope('test', runTest));
afterEach(async ({ task }) => {
  if (task.result?.state === 'fail') await tellFailure(task.name);
});
