import { Group, Kbd, Text } from '@mantine/core';
import { Fragment } from 'react';

const isMac = /Mac|iPhone|iPad/.test(navigator.userAgent);
const names: Record<string, string> = { mod: isMac ? '⌘' : 'Ctrl', space: 'Space', enter: 'Enter', escape: 'Esc' };

/** `mod+k` → Ctrl + K as keycaps. */
export function KeyName({ keys }: { keys: string }) {
  return (
    <Group gap={4} wrap="nowrap" component="span" flex="none">
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
