import { expect, test, vi } from 'vitest';
import { createRegistry, type Press } from './keys.ts';

const press = (key: string, more: Partial<Press> = {}): Press => ({
  key,
  ctrlKey: false,
  metaKey: false,
  altKey: false,
  isTyping: false,
  ...more,
});
const bind = (keys: string, run = vi.fn()) => ({ keys, label: keys, group: 'Test', run });

test('a key runs its own action and no other', () => {
  const registry = createRegistry();
  const down = bind('j');
  registry.add([down]);
  expect(registry.press(press('j'))).toBe(true);
  expect(registry.press(press('x'))).toBe(false);
  expect(down.run).toHaveBeenCalledTimes(1);
});

test('a sequence of two keys works only if the second follows in time', () => {
  let at = 0;
  const registry = createRegistry(() => at);
  const go = bind('g c');
  registry.add([go]);
  registry.press(press('g'));
  at = 5_000;
  registry.press(press('c'));
  expect(go.run).not.toHaveBeenCalled();
  registry.press(press('g'));
  at = 5_500;
  expect(registry.press(press('c'))).toBe(true);
});

test('while somebody types, letters run no action, but keys with Ctrl and ⌘ do', () => {
  const registry = createRegistry();
  const letter = bind('c');
  const palette = bind('mod+k');
  registry.add([letter, palette]);
  expect(registry.press(press('c', { isTyping: true }))).toBe(false);
  expect(registry.press(press('k', { isTyping: true, metaKey: true }))).toBe(true);
  expect(registry.press(press('k', { isTyping: true, ctrlKey: true }))).toBe(true);
  expect(letter.run).not.toHaveBeenCalled();
});

test('the later of two bindings is active until it is removed', () => {
  const registry = createRegistry();
  const page = bind('n');
  const dialog = bind('n');
  registry.add([page]);
  const takeBack = registry.add([dialog]);
  registry.press(press('n'));
  expect(registry.list().get('Test')).toEqual([dialog]);
  takeBack();
  registry.press(press('n'));
  expect([page.run.mock.calls.length, dialog.run.mock.calls.length]).toEqual([1, 1]);
});
