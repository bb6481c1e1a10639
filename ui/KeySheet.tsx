import { Group, Modal, SimpleGrid, Stack, Text, Title } from '@mantine/core';
import { KeyName } from './KeyName.tsx';
import type { Binding } from './keys.ts';

type KeySheetProps = {
  opened: boolean;
  groups: [group: string, bindings: Pick<Binding, 'keys' | 'label'>[]][];
  onClose: () => void;
};

/** All keys that work at present, by group. */
export function KeySheet({ opened, groups, onClose }: KeySheetProps) {
  return (
    <Modal opened={opened} onClose={onClose} title="Keys" size="lg">
      <SimpleGrid cols={{ base: 1, xs: 2 }} spacing="xl">
        {groups.map(([group, bindings]) => (
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
    </Modal>
  );
}
