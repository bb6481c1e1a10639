import { Skeleton, Stack, Text } from '@mantine/core';
import { onlineManager } from '@tanstack/react-query';
import { useEffect, useState, useSyncExternalStore } from 'react';

/** A person does not notice a wait shorter than this, and a skeleton would only flicker. */
const skeletonDelayMs = 150;

/** Grey lines while something loads, but only if it takes long enough to be noticed. Without a connection it says that it waits for one. */
export function Waiting({ lines = 6, height = 18 }: { lines?: number; height?: number }) {
  const [isLong, setLong] = useState(false);
  useEffect(() => {
    const timer = setTimeout(() => setLong(true), skeletonDelayMs);
    return () => clearTimeout(timer);
  }, []);
  const isOnline = useSyncExternalStore(onlineManager.subscribe, () => onlineManager.isOnline());
  if (!isLong) return null;
  if (!isOnline)
    return (
      <Stack gap={4} p="md" role="status">
        <Text size="sm" fw={580}>
          No connection
        </Text>
        <Text size="sm" c="dimmed">
          This is not on this device yet. It appears by itself when the connection is back.
        </Text>
      </Stack>
    );
  return (
    <Stack gap="sm" p="md" role="status" aria-label="Loading">
      {Array.from({ length: lines }, (_, index) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: the lines are all alike
        <Skeleton key={index} height={height} width={`${95 - ((index * 17) % 40)}%`} />
      ))}
    </Stack>
  );
}
