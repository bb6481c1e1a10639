import { ActionIcon } from '@mantine/core';
import { IconRefresh } from '@tabler/icons-react';
import { useState } from 'react';

/** Reads the data of the page again: for pages of which no event tells that they are old. */
export function LookAgain({ refetch }: { refetch: () => Promise<unknown> }) {
  // Only a click shows that it loads, not the page's own questions.
  const [isAsked, setAsked] = useState(false);
  return (
    <ActionIcon
      variant="default"
      size={30}
      aria-label="Look again"
      title="Look again"
      loading={isAsked}
      onClick={() => {
        setAsked(true);
        void refetch().finally(() => setAsked(false));
      }}
    >
      <IconRefresh size={16} />
    </ActionIcon>
  );
}
