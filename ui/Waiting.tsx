import { Skeleton, Stack } from '@mantine/core';
import { useEffect, useState } from 'react';

/** A person does not notice a wait shorter than this, and a skeleton would only flicker. */
const skeletonDelayMs = 150;

/** Grey lines while something loads, but only if it takes long enough to be noticed. */
export function Waiting({ lines = 6, height = 18 }: { lines?: number; height?: number }) {
  const [isLong, setLong] = useState(false);
  useEffect(() => {
    const timer = setTimeout(() => setLong(true), skeletonDelayMs);
    return () => clearTimeout(timer);
  }, []);
  if (!isLong) return null;
  return (
    <Stack gap="sm" p="md" role="status" aria-label="Loading">
      {Array.from({ length: lines }, (_, index) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: the lines are all alike
        <Skeleton key={index} height={height} width={`${95 - ((index * 17) % 40)}%`} />
      ))}
    </Stack>
  );
}
