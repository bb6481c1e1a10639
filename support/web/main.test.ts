import { expect, test, vi } from 'vitest';

vi.mock('@aether/ui/app.tsx', () => ({ drawApp: () => {} }));
vi.mock('./api/refresh.ts', () => ({ refreshByEvents: () => {} }));
vi.mock('./router.tsx', () => ({ router: {} }));

test('the console removes drafts that were unused for a month when it starts', async () => {
  const key = 'aether.support.draft.priya.one';
  const kept: Record<string, string> = { [key]: JSON.stringify({ reply: 'Let me look', at: '2020-01-01T12:00:00Z' }) };
  const methods = { getItem: (name: string) => kept[name] ?? null, removeItem: (name: string) => delete kept[name] };
  vi.stubGlobal('localStorage', Object.setPrototypeOf(kept, methods));
  await import('./main.ts');
  expect(Object.keys(kept)).toEqual([]);
});
