import { Button, Popover, Stack } from '@mantine/core';
import { type ReactNode, useState } from 'react';

type ActProps = { label: string; icon: ReactNode; isOff: boolean; children: (close: () => void) => ReactNode };

/** One act on the chosen rows: a button with the choice of what all get. */
export function Act({ label, icon, isOff, children }: ActProps) {
  const [isOpen, setOpen] = useState(false);
  const close = () => setOpen(false);
  return (
    <Popover opened={isOpen} onChange={setOpen} width={260} trapFocus returnFocus position="top-start">
      <Popover.Target>
        <Button
          variant="default"
          size="compact-sm"
          leftSection={icon}
          disabled={isOff}
          onClick={() => setOpen((was) => !was)}
        >
          {label}
        </Button>
      </Popover.Target>
      <Popover.Dropdown>
        {/* Escape closes this alone: what is chosen stays so. In the capture, since the popover is gone afterwards. */}
        <Stack gap="xs" onKeyDownCapture={(event) => event.key === 'Escape' && event.preventDefault()}>
          {children(close)}
        </Stack>
      </Popover.Dropdown>
    </Popover>
  );
}
