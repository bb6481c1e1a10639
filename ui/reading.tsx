import { Text } from '@mantine/core';
import { IconEye } from '@tabler/icons-react';
import { useSuspenseQuery } from '@tanstack/react-query';
import type { ReactNode } from 'react';
import { meQuery } from './signin.ts';

/** Why a reader cannot do something. */
export const readerWords = 'You are a reader: you see everything that staff sees, and change nothing.';

/** Whether the signed-in person may change anything. The server refuses by itself; the screens only leave out what a reader cannot do. */
export function useMayChange(): boolean {
  return useSuspenseQuery(meQuery).data.role !== 'reader';
}

/** What is for people who may change something; a reader does not see it. */
export function ForChanges({ children }: { children: ReactNode }) {
  return useMayChange() ? children : null;
}

/** Says to a reader why there are no buttons. Nobody else sees it. */
export function ReaderNote() {
  if (useMayChange()) return null;
  return (
    <Text size="xs" c="dimmed" px={8} role="note">
      <IconEye size={13} aria-hidden style={{ verticalAlign: '-2px' }} /> {readerWords} Administrators give roles, in
      Foundation.
    </Text>
  );
}
