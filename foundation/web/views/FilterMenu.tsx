import { Button, Popover, Stack } from '@mantine/core';
import { IconFilter } from '@tabler/icons-react';
import type { ReactNode } from 'react';

type FilterMenuProps = {
  count: number;
  onClear: () => void;
  /** The person is about to open it. */
  onNear?: () => void;
  children: ReactNode;
};

/** A list's filters behind one button, which shows how many are active. */
export function FilterMenu({ count, onClear, onNear, children }: FilterMenuProps) {
  return (
    <Popover width={280} trapFocus position="bottom-end">
      <Popover.Target>
        <Button
          variant={count > 0 ? 'light' : 'default'}
          leftSection={<IconFilter size={15} />}
          onPointerEnter={onNear}
          onFocus={onNear}
        >
          {count > 0 ? `Filters: ${count}` : 'Filter'}
        </Button>
      </Popover.Target>
      <Popover.Dropdown>
        <Stack gap="xs">
          {children}
          <Button variant="default" disabled={count === 0} onClick={onClear}>
            Take all filters away
          </Button>
        </Stack>
      </Popover.Dropdown>
    </Popover>
  );
}
