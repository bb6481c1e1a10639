import { Menu } from '@mantine/core';
import { IconArrowRight, IconCheck, IconThumbDown, IconTrophy } from '@tabler/icons-react';
import type { Stage } from '../api/records.ts';
import classes from './board.module.css';
import type { OpenedMenu } from './useBoardKeys.ts';

type MoveMenuProps = {
  opened: OpenedMenu | undefined;
  stages: Stage[];
  onMove: (dealId: number, stage: Stage) => void;
  onClose: () => void;
};

const icons = { open: IconArrowRight, won: IconTrophy, lost: IconThumbDown };

/** “Move to…”: one menu for all cards, opened at the pressed button. */
export function MoveMenu({ opened, stages, onMove, onClose }: MoveMenuProps) {
  if (!opened) return null;
  const { dealId, stageId, at } = opened;
  return (
    <Menu opened onClose={onClose} position="bottom-end" width={200} trapFocus returnFocus={false}>
      <Menu.Target>
        <span
          className={classes.menuAnchor}
          style={{ top: at.top, left: at.left, width: at.width, height: at.height }}
        />
      </Menu.Target>
      <Menu.Dropdown>
        <Menu.Label>Move to</Menu.Label>
        {stages.map((stage) => {
          const isHere = stage.id === stageId;
          const Icon = isHere ? IconCheck : icons[stage.outcome];
          return (
            <Menu.Item
              key={stage.id}
              disabled={isHere}
              leftSection={<Icon size={15} />}
              onClick={() => onMove(dealId, stage)}
            >
              {stage.name}
            </Menu.Item>
          );
        })}
      </Menu.Dropdown>
    </Menu>
  );
}
