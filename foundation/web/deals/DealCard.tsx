import { dayOf, formatDay, formatMoney } from '@aether/ui/formats.ts';
import { draggable } from '@atlaskit/pragmatic-drag-and-drop/element/adapter';
import { IconDots } from '@tabler/icons-react';
import { Link } from '@tanstack/react-router';
import { memo, useEffect, useRef, useState } from 'react';
import type { ListedDeal } from '../api/records.ts';
import classes from './board.module.css';

type DealCardProps = { deal: ListedDeal; isActive: boolean; isPicked: boolean; isFixed: boolean };

/** A deal on the board. There may be hundreds, so a card is drawn again only when its deal changes. */
export const DealCard = memo(function DealCard({ deal, isActive, isPicked, isFixed }: DealCardProps) {
  const { id, name, amount, currency, customer, company, owner, expected_close_on } = deal;
  const card = useRef<HTMLLIElement>(null);
  const [isDragged, setDragged] = useState(false);
  useEffect(() => {
    if (!card.current || isFixed) return;
    return draggable({
      element: card.current,
      getInitialData: () => ({ dealId: id }),
      onDragStart: () => setDragged(true),
      onDrop: () => setDragged(false),
    });
  }, [id, isFixed]);
  const isLate = expected_close_on !== null && expected_close_on < dayOf(new Date());
  return (
    <li ref={card} className={classes.card} data-deal={id} data-dragged={isDragged} data-picked={isPicked}>
      <div className={classes.cardHead}>
        <Link
          to="/deals/$id"
          params={{ id: String(id) }}
          preload={false}
          draggable={false}
          className={classes.name}
          tabIndex={isActive ? 0 : -1}
          aria-describedby="board-help"
        >
          {name}
        </Link>
        {!isFixed && (
          <button
            type="button"
            className={classes.dots}
            data-menu
            aria-label={`Move ${name} to…`}
            aria-haspopup="menu"
            tabIndex={isActive ? 0 : -1}
          >
            <IconDots size={16} />
          </button>
        )}
      </div>
      <div className={classes.who}>{company ? `${customer.name} · ${company.name}` : customer.name}</div>
      <div className={classes.facts}>
        <span className={classes.amount}>{formatMoney(amount, currency)}</span>
        {expected_close_on && <span data-late={isLate}>{formatDay(expected_close_on)}</span>}
        {owner && (
          <span className={classes.owner} title={`Owner: ${owner.name}`}>
            <span aria-hidden>{initials(owner.name)}</span>
            <span className={classes.unseen}>{owner.name}</span>
          </span>
        )}
      </div>
    </li>
  );
});

function initials(name: string): string {
  const words = name.split(/\s+/).filter(Boolean);
  return [words[0], words.length > 1 ? words.at(-1) : undefined].map((word) => word?.charAt(0) ?? '').join('');
}
