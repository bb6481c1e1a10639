import { IconArrowDown, IconArrowUp } from '@tabler/icons-react';
import { useVirtualizer } from '@tanstack/react-virtual';
import { type CSSProperties, type ReactNode, useEffect, useRef } from 'react';
import { useKeys } from './Keys.tsx';
import classes from './RecordTable.module.css';
import type { Selection } from './useSelection.ts';

export type Column<Row, Sort extends string = string> = {
  key: string;
  label: string;
  /** A track of CSS grid, such as `minmax(200px, 2fr)`. */
  track: string;
  /** The name by which the server sorts. */
  sort?: Sort;
  align?: 'end';
  /** A narrow screen shows only the columns with a part: the title above, the details below. */
  narrow?: 'title' | 'detail';
  /** The first column holds the link that opens the record. */
  render: (row: Row) => ReactNode;
};

export type Sorting<Sort extends string = string> = { sort: Sort; dir: 'asc' | 'desc' };

type RecordTableProps<Row, Sort extends string> = {
  label: string;
  columns: Column<Row, Sort>[];
  rows: Row[];
  keyOf: (row: Row) => string | number;
  /** The number of rows on the server, if it is known. */
  total?: number;
  sorting?: Sorting<Sort>;
  onSort?: (sorting: Sorting<Sort>) => void;
  hasMore: boolean;
  onMore: () => void;
  isNarrow: boolean;
  /** The place to restore: the scroll position and the focused row. `keep` is called when the person leaves the list. */
  place?: { offset: number; key: string | undefined; keep: (offset: number) => void };
  /** Rows can be chosen: with their boxes, X, and Shift with a click or an arrow. `nameOf` is what a row is called. */
  selection?: Selection | undefined;
  nameOf?: (row: Row) => string;
};

/** The column of the boxes. */
const pickTrack = '32px';

/** A list of any length, of which only the rows in sight are drawn. J and K move through it, Enter opens. */
export function RecordTable<Row, Sort extends string>(props: RecordTableProps<Row, Sort>) {
  const { label, columns, rows, keyOf, total, hasMore, onMore, isNarrow, place, selection } = props;
  const scroller = useRef<HTMLDivElement>(null);
  const virtualizer = useVirtualizer({
    count: rows.length,
    getScrollElement: () => scroller.current,
    estimateSize: () => (isNarrow ? 62 : 40),
    overscan: 12,
    initialOffset: place?.offset ?? 0,
  });
  const items = virtualizer.getVirtualItems();
  const lastInSight = items.at(-1)?.index ?? 0;
  useEffect(() => {
    if (hasMore && lastInSight >= rows.length - 20) onMore();
  }, [hasMore, lastInSight, rows.length, onMore]);
  // biome-ignore lint/correctness/useExhaustiveDependencies: the rows then have another height
  useEffect(() => virtualizer.measure(), [isNarrow]);

  const leaving = useRef(place);
  useEffect(() => {
    leaving.current = place;
  });
  // biome-ignore lint/correctness/useExhaustiveDependencies: only once, when the list is mounted and when it is left
  useEffect(() => {
    const index = place?.key === undefined ? -1 : rows.findIndex((row) => String(keyOf(row)) === place.key);
    if (index >= 0) focusRow(index);
    return () => leaving.current?.keep(virtualizer.scrollOffset ?? 0);
  }, []);

  const focusRow = (index: number) => {
    if (index < 0 || index >= rows.length) return;
    const find = () =>
      scroller.current?.querySelector<HTMLElement>(`[data-index="${index}"] a, [data-index="${index}"] button`);
    virtualizer.scrollToIndex(index, { align: 'auto' });
    // A row that is already drawn gets the focus at once, so that holding the key down never has to wait.
    const drawn = find();
    if (drawn) drawn.focus({ preventScroll: true });
    else requestAnimationFrame(() => find()?.focus());
  };
  const indexWithFocus = () => {
    const row = document.activeElement?.closest<HTMLElement>('[data-index]');
    return row && scroller.current?.contains(row) ? Number(row.dataset.index) : undefined;
  };
  const step = (by: number) => {
    const index = indexWithFocus();
    focusRow(index === undefined ? (items[0]?.index ?? 0) : index + by);
  };
  const keyAt = (index: number) => String(keyOf(rows[index] as Row));
  /** Shift with an arrow: the row that has the focus and the next one are chosen, and the next one has the focus. */
  const extend = (by: number) => {
    const index = indexWithFocus();
    if (!selection || index === undefined || !rows[index + by]) return;
    if (!selection.has(keyAt(index))) selection.toggle(keyAt(index));
    selection.extend(keyAt(index + by));
    focusRow(index + by);
  };
  useKeys([
    { keys: 'j', label: 'Next row', group: 'Lists', run: () => step(1) },
    { keys: 'k', label: 'Row before', group: 'Lists', run: () => step(-1) },
    ...(selection
      ? [
          {
            keys: 'x',
            label: 'Choose the row; Shift and an arrow choose several',
            group: 'Lists',
            run: () => {
              const index = indexWithFocus();
              if (index !== undefined) selection.toggle(keyAt(index));
            },
          },
        ]
      : []),
  ]);

  // As wide as its narrowest columns: before it scrolls sideways, every column gives what it can.
  const allTracks = [...(selection ? [pickTrack] : []), ...columns.map(({ track }) => track)];
  const leastPx = allTracks.reduce((sum, track) => sum + Number(/\d+(?=px)/.exec(track)?.[0] ?? 0), 0);
  const tracks = {
    '--tracks': allTracks.join(' '),
    '--least': `${leastPx}px`,
  } as CSSProperties;
  return (
    // biome-ignore lint/a11y/useSemanticElements: rows that are not drawn cannot be rows of a <table>
    <div
      ref={scroller}
      className={classes.scroller}
      role="table"
      aria-label={label}
      aria-rowcount={total ?? -1}
      data-narrow={isNarrow}
      data-picks={selection !== undefined}
      data-sideways
      onKeyDown={(event) => {
        if (!selection || !event.shiftKey || (event.key !== 'ArrowDown' && event.key !== 'ArrowUp')) return;
        event.preventDefault();
        extend(event.key === 'ArrowDown' ? 1 : -1);
      }}
    >
      <div className={classes.sheet} style={tracks}>
        <Head {...props} />
        {/* biome-ignore lint/a11y/useSemanticElements: as above */}
        <div role="rowgroup" className={classes.body} style={{ height: virtualizer.getTotalSize() }}>
          {items.map(({ index, start }) => {
            const row = rows[index] as Row;
            return (
              // biome-ignore lint/a11y/useSemanticElements lint/a11y/useFocusableInteractive: as above; its link has the focus
              <div
                key={keyOf(row)}
                role="row"
                className={classes.row}
                aria-rowindex={index + 2}
                data-index={index}
                data-chosen={selection?.has(String(keyOf(row)))}
                style={{ transform: `translateY(${start}px)` }}
              >
                {selection && <Pick selection={selection} row={row} {...props} />}
                {columns.map((column, place) => (
                  // biome-ignore lint/a11y/useSemanticElements: as above
                  <div
                    key={column.key}
                    role="cell"
                    className={classes.cell}
                    data-align={column.align}
                    data-lead={place === 0}
                    data-narrow={column.narrow}
                  >
                    {column.render(row)}
                  </div>
                ))}
              </div>
            );
          })}
        </div>
      </div>
    </div>
  );
}

/** The box of a row. With Shift it chooses all rows from the last one on. */
function Pick<Row, Sort extends string>({
  selection,
  row,
  keyOf,
  nameOf,
}: RecordTableProps<Row, Sort> & { selection: Selection; row: Row }) {
  const key = String(keyOf(row));
  return (
    // biome-ignore lint/a11y/useSemanticElements: see RecordTable
    <div role="cell" className={classes.cell} data-pick>
      <label className={classes.pick}>
        <input
          type="checkbox"
          aria-label={`Choose ${nameOf?.(row) ?? key}`}
          checked={selection.has(key)}
          onClick={(event) => {
            if (!event.shiftKey) return;
            event.preventDefault();
            selection.extend(key);
          }}
          onChange={() => selection.toggle(key)}
        />
      </label>
    </div>
  );
}

function Head<Row, Sort extends string>({ columns, sorting, onSort, selection }: RecordTableProps<Row, Sort>) {
  const nameDirection = (key: string) => (sorting?.sort === key ? (`${sorting.dir}ending` as const) : 'none');
  return (
    // biome-ignore lint/a11y/useSemanticElements: see RecordTable
    <div role="rowgroup" className={classes.head}>
      {/* biome-ignore lint/a11y/useSemanticElements lint/a11y/useFocusableInteractive: see RecordTable */}
      <div role="row" className={classes.headRow} aria-rowindex={1}>
        {selection && (
          // biome-ignore lint/a11y/useSemanticElements lint/a11y/useFocusableInteractive: see RecordTable
          <div role="columnheader" className={classes.headCell} data-pick>
            <label className={classes.pick}>
              <input
                type="checkbox"
                aria-label="Choose all rows that are loaded"
                checked={selection.isWhole}
                onChange={selection.toggleLoaded}
              />
            </label>
          </div>
        )}
        {columns.map(({ key, label, sort, align }) => {
          const isSorted = sort !== undefined && sorting?.sort === sort;
          const next = isSorted && sorting?.dir === 'asc' ? 'desc' : 'asc';
          return (
            // biome-ignore lint/a11y/useSemanticElements lint/a11y/useFocusableInteractive: see RecordTable
            <div
              key={key}
              role="columnheader"
              className={classes.headCell}
              data-align={align}
              aria-sort={sort ? nameDirection(sort) : undefined}
            >
              {sort && onSort ? (
                <button type="button" className={classes.sort} onClick={() => onSort({ sort, dir: next })}>
                  <span className={classes.headWords}>{label}</span>
                  {isSorted && (sorting?.dir === 'asc' ? <IconArrowUp size={13} /> : <IconArrowDown size={13} />)}
                </button>
              ) : (
                <span className={classes.headWords} title={label}>
                  {label}
                </span>
              )}
            </div>
          );
        })}
      </div>
    </div>
  );
}
