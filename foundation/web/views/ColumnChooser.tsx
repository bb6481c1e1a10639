import { lazyPage } from '@aether/ui/parts/lazy.tsx';
import { Button, Popover } from '@mantine/core';
import { IconColumns3 } from '@tabler/icons-react';

const ColumnList = lazyPage(() => import('./ColumnList.tsx'), 'ColumnList', 'panel');

type ColumnChooserProps = {
  columns: { key: string; label: string }[];
  shown: string[];
  defaults: string[];
  /** Column keys, separated by commas; undefined for the defaults. */
  onChange: (columns: string | undefined) => void;
};

/** The choice of a list's columns. The first column opens the record and is always shown. */
export function ColumnChooser({ columns, shown, defaults, onChange }: ColumnChooserProps) {
  const choose = (key: string, isShown: boolean) => {
    const next = columns.map((column) => column.key).filter((each) => (each === key ? isShown : shown.includes(each)));
    onChange(next.join() === defaults.join() ? undefined : next.join());
  };
  return (
    <Popover width={220} trapFocus position="bottom-end">
      <Popover.Target>
        <Button
          variant="default"
          leftSection={<IconColumns3 size={15} />}
          onPointerEnter={ColumnList.preload}
          onFocus={ColumnList.preload}
        >
          Columns
        </Button>
      </Popover.Target>
      <Popover.Dropdown>
        <ColumnList columns={columns} shown={shown} onChoose={choose} />
      </Popover.Dropdown>
    </Popover>
  );
}
