import { Group, Kbd, Modal, SimpleGrid, Stack, Text, Title } from '@mantine/core';
import { type KeyboardEvent as FormKey, Fragment, useEffect, useEffectEvent, useState } from 'react';
import { type Binding, createRegistry } from './keys.ts';

const registry = createRegistry();

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
  const [isOpen, setOpen] = useState(false);
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
  return (
    <Modal opened={isOpen} onClose={() => setOpen(false)} title="Keys" size="lg">
      {isOpen && <KeySheet />}
    </Modal>
  );
}

function KeySheet() {
  return (
    <SimpleGrid cols={{ base: 1, xs: 2 }} spacing="xl">
      {[...registry.list()].map(([group, bindings]) => (
        <Stack key={group} gap={6}>
          <Title order={3}>{group}</Title>
          {bindings.map(({ keys, label }) => (
            <Group key={keys} justify="space-between" wrap="nowrap">
              <Text size="sm">{label}</Text>
              <KeyName keys={keys} />
            </Group>
          ))}
        </Stack>
      ))}
    </SimpleGrid>
  );
}

/** Ctrl+Enter sends the form from every one of its fields. The field finishes first what it does with Enter, such as taking a choice. */
export function sendOnModEnter(event: FormKey<HTMLFormElement>): void {
  const { key, ctrlKey, metaKey, currentTarget: form } = event;
  if (key !== 'Enter' || !(ctrlKey || metaKey) || event.nativeEvent.isComposing) return;
  event.preventDefault();
  setTimeout(() => form.requestSubmit());
}

const isMac = /Mac|iPhone|iPad/.test(navigator.userAgent);
const names: Record<string, string> = { mod: isMac ? '⌘' : 'Ctrl', space: 'Space', enter: 'Enter', escape: 'Esc' };

/** `mod+k` → Ctrl + K as keycaps. */
export function KeyName({ keys }: { keys: string }) {
  return (
    <Group gap={4} wrap="nowrap" component="span">
      {keys.split(' ').map((step, index) => (
        <Fragment key={step}>
          {index > 0 && (
            <Text span size="xs" c="dimmed">
              then
            </Text>
          )}
          {step.split(/\+(?=.)/).map((key) => (
            <Kbd key={key} size="xs">
              {names[key] ?? key.toUpperCase()}
            </Kbd>
          ))}
        </Fragment>
      ))}
    </Group>
  );
}

function isTyping(target: EventTarget | null): boolean {
  if (!(target instanceof HTMLElement)) return false;
  return target.isContentEditable || target.matches('input:not([type=checkbox]):not([type=radio]), textarea, select');
}
