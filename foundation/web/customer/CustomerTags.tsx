import { ForChanges } from '@aether/ui/reading.tsx';
import { Tag } from '@aether/ui/Tag.tsx';
import { toneOf } from '@aether/ui/tiers.ts';
import { showRefusal, showUndo } from '@aether/ui/toasts.tsx';
import { ActionIcon, Button, Group, Popover, Stack } from '@mantine/core';
import { IconPlus, IconX } from '@tabler/icons-react';
import { useMutation, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import type { CustomerRecord } from '../api/records.ts';
import { type CustomerTag, giveTag, takeTag } from '../api/tags.ts';
import { TagMenu } from '../customers/TagMenu.tsx';
import classes from './customer.module.css';

/** The tags of a customer: given, taken away and made here. */
export function CustomerTags({ record }: { record: CustomerRecord }) {
  const { customer, tags } = record;
  const client = useQueryClient();
  const [isOpen, setOpen] = useState(false);
  const refresh = async () => {
    await client.invalidateQueries({ queryKey: ['customer', customer.id] });
    void client.invalidateQueries({ queryKey: ['customers'] });
  };
  const write = async (id: number, isAdded: boolean) => {
    await (isAdded ? giveTag : takeTag)(customer.id, id);
    await refresh();
  };
  const changing = useMutation({
    mutationFn: ({ id, isAdded }: { id: number; isAdded: boolean }) => write(id, isAdded),
    onSuccess: (_, { id, isAdded }) => {
      const was = tags.some((tag) => tag.id === id);
      if (was === isAdded) return;
      showUndo({ message: isAdded ? 'Tag added.' : 'Tag taken away.', undo: () => write(id, !isAdded) });
    },
    onError: (error) => showRefusal('The tags were not changed', error),
  });
  return (
    <div className={classes.section}>
      <div className={classes.sectionHead}>
        <h2 className={classes.sectionTitle}>Tags</h2>
        <ForChanges>
          <Popover opened={isOpen} onChange={setOpen} width={260} trapFocus returnFocus position="bottom-end">
            <Popover.Target>
              <Button
                variant="subtle"
                size="compact-sm"
                leftSection={<IconPlus size={14} />}
                onClick={() => setOpen((was) => !was)}
              >
                Tag
              </Button>
            </Popover.Target>
            <Popover.Dropdown>
              <Stack gap="xs">
                <TagMenu
                  onlyAdds
                  onPick={(id, isAdded) => {
                    setOpen(false);
                    changing.mutate({ id, isAdded });
                  }}
                />
              </Stack>
            </Popover.Dropdown>
          </Popover>
        </ForChanges>
      </div>
      <Group gap={6}>
        {tags.map((tag) => (
          <ShownTag key={tag.id} tag={tag} onTake={() => changing.mutate({ id: tag.id, isAdded: false })} />
        ))}
      </Group>
    </div>
  );
}

function ShownTag({ tag: { name, colour }, onTake }: { tag: CustomerTag; onTake: () => void }) {
  return (
    <Group gap={0} wrap="nowrap">
      <Tag tone={toneOf(colour)}>{name}</Tag>
      <ForChanges>
        <ActionIcon size="sm" aria-label={`Take the tag ${name} away`} onClick={onTake}>
          <IconX size={13} />
        </ActionIcon>
      </ForChanges>
    </Group>
  );
}
