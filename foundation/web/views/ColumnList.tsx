import { Checkbox, ScrollArea, Stack } from '@mantine/core';

type ColumnListProps = {
  columns: { key: string; label: string }[];
  shown: string[];
  onChoose: (key: string, isShown: boolean) => void;
};

/** All columns that a list can have. */
export function ColumnList({ columns, shown, onChoose }: ColumnListProps) {
  return (
    <ScrollArea.Autosize mah={340}>
      <Stack gap={8}>
        {columns.map(({ key, label }, index) => (
          <Checkbox
            key={key}
            label={label}
            disabled={index === 0}
            checked={shown.includes(key)}
            onChange={(event) => onChoose(key, event.currentTarget.checked)}
          />
        ))}
      </Stack>
    </ScrollArea.Autosize>
  );
}
