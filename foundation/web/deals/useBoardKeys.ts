import { useKeys } from '@aether/ui/Keys.tsx';
import { type FocusEvent, type KeyboardEvent, type MouseEvent, useEffect, useRef, useState } from 'react';
import type { BoardColumn, Stage } from '../api/records.ts';
import { stepOnBoard } from './board.ts';

type BoardKeysOptions = {
  columns: BoardColumn[];
  /** All stages to which a deal may be moved, in order. */
  stages: Stage[];
  /** A reader looks, and moves nothing. */
  isFixed: boolean;
  onMove: (dealId: number, stage: Stage) => void;
  say: (words: string) => void;
};

export type OpenedMenu = { dealId: number; stageId: number; at: DOMRect };

/** The keyboard on the board: one card is in the tab order, arrows move to other cards, Space picks up and drops. */
export function useBoardKeys({ columns, stages, isFixed, onMove, say }: BoardKeysOptions) {
  const ref = useRef<HTMLDivElement>(null);
  const [focusedId, setFocusedId] = useState<number | undefined>();
  const [picked, setPicked] = useState<{ dealId: number; name: string; stage: Stage } | undefined>();
  const [menu, setMenu] = useState<OpenedMenu | undefined>();
  const [followedId, setFollowedId] = useState<number | undefined>();
  const isShown = (dealId: number) => columns.some(({ deals }) => deals.some(({ id }) => id === dealId));
  const activeId =
    focusedId !== undefined && isShown(focusedId) ? focusedId : columns.find(({ deals }) => deals[0])?.deals[0]?.id;

  const focusCard = (dealId: number) => ref.current?.querySelector<HTMLElement>(`[data-deal="${dealId}"] a`)?.focus();
  // A moved card is drawn again in another column, and so is a card that the server sends back: the focus follows it.
  useEffect(() => {
    if (followedId !== undefined && document.activeElement === document.body) focusCard(followedId);
  });
  const move = (dealId: number, stage: Stage) => {
    setFollowedId(dealId);
    onMove(dealId, stage);
  };

  const step = (key: string) => {
    const next = activeId === undefined ? undefined : stepOnBoard(columns, activeId, key);
    if (focusedId === undefined && activeId !== undefined) focusCard(activeId);
    else if (next !== undefined) focusCard(next);
  };
  useKeys([
    { keys: 'j', label: 'Card below', group: 'Deals', run: () => step('ArrowDown') },
    { keys: 'k', label: 'Card above', group: 'Deals', run: () => step('ArrowUp') },
  ]);

  function pressPicked(event: KeyboardEvent, { dealId, name, stage }: NonNullable<typeof picked>): void {
    const at = stages.findIndex(({ id }) => id === stage.id);
    if (event.key === 'ArrowLeft' || event.key === 'ArrowRight') {
      const next = stages[at + (event.key === 'ArrowRight' ? 1 : -1)];
      if (!next) return;
      setPicked({ dealId, name, stage: next });
      say(`${next.name}. Space drops ${name} here.`);
    } else if (event.key === ' ' || event.key === 'Enter') {
      setPicked(undefined);
      move(dealId, stage);
    } else if (event.key === 'Escape' || event.key === 'Tab') {
      setPicked(undefined);
      say(`${name} was left where it was.`);
      if (event.key === 'Tab') return;
    } else return;
    event.preventDefault();
  }

  function onKeyDown(event: KeyboardEvent): void {
    if (picked) {
      pressPicked(event, picked);
      return;
    }
    const dealId = readDeal(event.target);
    if (dealId === undefined || (event.target as HTMLElement).tagName !== 'A') return;
    if (event.key === ' ' && !isFixed) {
      const column = columns.find(({ deals }) => deals.some(({ id }) => id === dealId));
      const name = column?.deals.find(({ id }) => id === dealId)?.name ?? '';
      if (!column) return;
      event.preventDefault();
      setPicked({ dealId, name, stage: column.stage });
      say(
        `${name} is picked up, in ${column.stage.name}. Left and right choose the stage, Space drops, Escape cancels.`,
      );
    } else if (event.key.startsWith('Arrow')) {
      event.preventDefault();
      step(event.key);
    }
  }

  function onClick(event: MouseEvent): void {
    const button = (event.target as HTMLElement).closest<HTMLElement>('[data-menu]');
    const dealId = readDeal(event.target);
    const column = columns.find(({ deals }) => deals.some(({ id }) => id === dealId));
    if (button && dealId !== undefined && column)
      setMenu({ dealId, stageId: column.stage.id, at: button.getBoundingClientRect() });
  }

  return {
    ref,
    activeId,
    picked,
    menu,
    move,
    closeMenu: () => {
      setMenu(undefined);
      if (menu) focusCard(menu.dealId);
    },
    onKeyDown,
    onClick,
    onFocus: (event: FocusEvent) => {
      const dealId = readDeal(event.target);
      if (dealId === undefined) return;
      setFocusedId(dealId);
      if (dealId !== followedId) setFollowedId(undefined);
    },
    onPointerDown: () => setFollowedId(undefined),
  };
}

function readDeal(target: EventTarget | null): number | undefined {
  const card = target instanceof Element ? target.closest<HTMLElement>('[data-deal]') : null;
  return card ? Number(card.dataset.deal) : undefined;
}
