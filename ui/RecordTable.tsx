import { IconArrowDown, IconArrowUp } from '@tabler/icons-react';
import { useVirtualizer } from '@tanstack/react-virtual';
import { type CSSProperties, type ReactNode, useEffect, useRef } from 'react';
import { useKeys } from './Keys.tsx';
import classes from './RecordTable.module.css';

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
};

/** A list of any length, of which only the rows in sight are drawn. J and K move through it, Enter opens. */
export function RecordTable<Row, Sort extends string>(props: RecordTableProps<Row, Sort>) {
  const { label, columns, rows, keyOf, total, hasMore, onMore, isNarrow, place } = props;
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
  const step = (by: number) => {
    const row = document.activeElement?.closest<HTMLElement>('[data-index]');
    focusRow(row && scroller.current?.contains(row) ? Number(row.dataset.index) + by : (items[0]?.index ?? 0));
  };
  useKeys([
    { keys: 'j', label: 'Next row', group: 'Lists', run: () => step(1) },
    { keys: 'k', label: 'Row before', group: 'Lists', run: () => step(-1) },
  ]);

  // As wide as its narrowest columns: before it scrolls sideways, every column gives what it can.
  const leastPx = columns.reduce((sum, { track }) => sum + Number(/\d+(?=px)/.exec(track)?.[0] ?? 0), 0);
  const tracks = {
    '--tracks': columns.map(({ track }) => track).join(' '),
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
      data-sideways
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
                style={{ transform: `translateY(${start}px)` }}
              >
                {columns.map((column) => (
                  // biome-ignore lint/a11y/useSemanticElements: as above
                  <div
                    key={column.key}
                    role="cell"
                    className={classes.cell}
                    data-align={column.align}
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

function Head<Row, Sort extends string>({ columns, sorting, onSort }: RecordTableProps<Row, Sort>) {
  const nameDirection = (key: string) => (sorting?.sort === key ? (`${sorting.dir}ending` as const) : 'none');
  return (
    // biome-ignore lint/a11y/useSemanticElements: see RecordTable
    <div role="rowgroup" className={classes.head}>
      {/* biome-ignore lint/a11y/useSemanticElements lint/a11y/useFocusableInteractive: see RecordTable */}
      <div role="row" className={classes.headRow} aria-rowindex={1}>
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
