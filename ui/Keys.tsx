import { type KeyboardEvent as FormKey, useEffect, useEffectEvent, useState } from 'react';
import { type Binding, createRegistry } from './keys.ts';
import { lazyDialog } from './parts/lazy.tsx';

const registry = createRegistry();
const KeySheet = lazyDialog(() => import('./KeySheet.tsx'), 'KeySheet');

/** Binds keys to actions while the component is shown. */
export function useKeys(bindings: Binding[]): void {
  const run = useEffectEvent((keys: string) => bindings.find((binding) => binding.keys === keys)?.run());
  const shape = JSON.stringify(bindings.map(({ keys, label, group }) => ({ keys, label, group })));
  useEffect(() => {
    const named: Omit<Binding, 'run'>[] = JSON.parse(shape);
    return registry.add(named.map((binding) => ({ ...binding, run: () => run(binding.keys) })));
  }, [shape]);
}

/** Listens to the keyboard for the whole app; `?` opens the sheet of keys. Put it once, at the root. */
export function KeyListener() {
  const [isOpen, setOpen] = useState<boolean | undefined>();
  useKeys([{ keys: '?', label: 'Show these keys', group: 'Everywhere', run: () => setOpen(true) }]);
  useEffect(() => {
    const listen = (event: KeyboardEvent) => {
      if (event.defaultPrevented || event.repeat || document.querySelector('[aria-modal="true"]')) return;
      const { key, ctrlKey, metaKey, altKey } = event;
      if (registry.press({ key, ctrlKey, metaKey, altKey, isTyping: isTyping(event.target) })) event.preventDefault();
    };
    document.addEventListener('keydown', listen);
    return () => document.removeEventListener('keydown', listen);
  }, []);
  // Once it was open it stays, so that closing it gives the focus back.
  if (isOpen === undefined) return null;
  return <KeySheet opened={isOpen} groups={isOpen ? [...registry.list()] : []} onClose={() => setOpen(false)} />;
}

/** Ctrl+Enter sends the form from every one of its fields. The field finishes first what it does with Enter, such as taking a choice. */
export function sendOnModEnter(event: FormKey<HTMLFormElement>): void {
  const { key, ctrlKey, metaKey, currentTarget: form } = event;
  if (key !== 'Enter' || !(ctrlKey || metaKey) || event.nativeEvent.isComposing) return;
  event.preventDefault();
  setTimeout(() => form.requestSubmit());
}

function isTyping(target: EventTarget | null): boolean {
  if (!(target instanceof HTMLElement)) return false;
  return target.isContentEditable || target.matches('input:not([type=checkbox]):not([type=radio]), textarea, select');
}
