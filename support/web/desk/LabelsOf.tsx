import { lazyPage } from '@aether/ui/parts/lazy.tsx';
import { showDone } from '@aether/ui/toasts.tsx';
import { ActionIcon, Popover } from '@mantine/core';
import { IconTag } from '@tabler/icons-react';
import { useState } from 'react';
import type { Session } from '../api/records.ts';
import { useActing } from './useActing.ts';

/** Its picker is most of its weight, and few visits use it. */
const LabelsPanel = lazyPage(() => import('./LabelsPanel.tsx'), 'LabelsPanel', 'panel');

/** The tags and the priority of the open conversation. */
export function LabelsOf({ session }: { session: Session }) {
  const [isOpen, setOpen] = useState(false);
  const { run, isPending } = useActing(({ refused }) => showDone(refused[0]?.detail ?? ''));
  return (
    <Popover opened={isOpen} onChange={setOpen} width={260} trapFocus returnFocus position="bottom-end">
      <Popover.Target>
        <ActionIcon
          size="md"
          aria-label="Tags and priority"
          title="Tags and priority"
          disabled={isPending}
          onPointerEnter={LabelsPanel.preload}
          onFocus={LabelsPanel.preload}
          onClick={() => setOpen((was) => !was)}
        >
          <IconTag size={18} />
        </ActionIcon>
      </Popover.Target>
      <Popover.Dropdown>
        <LabelsPanel
          onPick={(act, done) => {
            setOpen(false);
            run({ ids: [session.id], act, done });
          }}
        />
      </Popover.Dropdown>
    </Popover>
  );
}
