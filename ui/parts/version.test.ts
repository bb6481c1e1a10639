import { expect, test, vi } from 'vitest';
import { createVersion } from './version.ts';

const answerOf = (build?: string) => ({ headers: new Headers(build === undefined ? {} : { 'Aether-Build': build }) });

test('a page notices the first answer of another build, once', () => {
  const version = createVersion('one');
  const told = vi.fn();
  version.subscribe(told);
  version.hear(answerOf('one'));
  expect(version.get()).toBe(false);
  version.hear(answerOf('two'));
  version.hear(answerOf('one')); // a process of the build before is still running
  version.hear(answerOf('two'));
  expect([version.get(), told.mock.calls.length]).toEqual([true, 1]);
});

test('a page is not outdated where the build is not known, on either side', () => {
  const known = createVersion('one');
  known.hear(answerOf());
  const unknown = createVersion(undefined);
  unknown.hear(answerOf('two'));
  expect([known.get(), unknown.get()]).toEqual([false, false]);
});
